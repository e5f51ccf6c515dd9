"""How we look: pure asyncio, no Django, no settings; what is kept and shown stands in `audit`."""
