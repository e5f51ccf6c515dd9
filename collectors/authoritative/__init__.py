"""What each name server of a zone says itself, asked directly: seen minutes before resolvers do."""

from collectors.authoritative.answers import Answers, Said, Server, State, Trouble
from collectors.authoritative.compare import Seen, Verdict, published, question
from collectors.authoritative.servers import ask

__all__ = [
    "Answers",
    "Said",
    "Seen",
    "Server",
    "State",
    "Trouble",
    "Verdict",
    "ask",
    "published",
    "question",
]
