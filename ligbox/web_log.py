"""gunicorn's logger (`--logger-class ligbox.web_log.Logger`): its lines cannot be forged either."""

from typing import Any

from gunicorn import glogging

from ligbox.logs import OneLine, StrangersFilter


class Logger(glogging.Logger):
    """gunicorn's own, but whatever a client sent is escaped, in the error log and in the access
    log, and requests that can't be read are told at most 20 times a minute."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                was = handler.formatter
                if was is not None and not isinstance(was, OneLine):
                    handler.setFormatter(OneLine(was._fmt, was.datefmt))
                handler.addFilter(_STRANGERS)


_STRANGERS = StrangersFilter()
