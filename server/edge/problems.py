"""Refusals become problems: a named error of any room, looked up by its code in the catalogue of words."""

from typing import Any

from server.edge.words import CATALOGUE, FIELDS_ZH


class Problem(Exception):
    """What a caller is told when a call is refused. `params` fill the sentences of the catalogue.

    `sentence` and `sentence_zh` are what a room's own error says; `field` names the wrong field of a body.
    """

    def __init__(
        self,
        code: str,
        *,
        sentence: str | None = None,
        sentence_zh: str | None = None,
        field: str | None = None,
        params: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.sentence = sentence
        self.sentence_zh = sentence_zh
        self.field = field
        self.params = params or {}
        self.extra = extra or {}
        super().__init__(code)

    @property
    def status(self) -> int:
        return CATALOGUE[self.code].status

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which trying again makes sense; None where it does not."""
        return int(self.params.get("retry_after_s", 1)) if self.status in (429, 503) else None

    def detail(self, *, english: bool) -> str:
        """The sentence for the caller."""
        words = CATALOGUE[self.code]
        if english:
            return self.sentence or (words.en or self.code).format(**self.params)
        return self.sentence_zh or words.zh.format(**self._in_chinese())

    def _in_chinese(self) -> dict[str, Any]:
        """The parameters as a Chinese sentence takes them: the field by its name on the page, and what is wrong with it."""
        params = dict(self.params)
        for name in ("field", "field_name"):
            if isinstance(params.get(name), str):
                params[name] = FIELDS_ZH.get(params[name], params[name])
        if params.get("problem_zh"):
            params["problem"] = params["problem_zh"]
        return params


def problem_of(error: Exception) -> Problem | None:
    """The problem that a named refusal of any room becomes, or None when the error is no refusal but a bug."""
    code = getattr(type(error), "code", None)
    if isinstance(error, Problem):
        return error
    if not isinstance(code, str):
        return None
    if code not in CATALOGUE:
        codes = (getattr(base, "code", None) for base in type(error).__mro__)
        code = next((known for known in codes if known in CATALOGUE), None)
        if code is None:
            return None
    params = getattr(error, "params", {})
    field = params.get("field") if isinstance(params.get("field"), str) else None
    sentence_zh = getattr(error, "sentence_zh", None)
    return Problem(code, sentence=str(error), sentence_zh=sentence_zh, field=field, params=params)
