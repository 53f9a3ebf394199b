"""Why the game refuses: one named error per reason, each with a stable code and a sentence that says what to do."""

from typing import Any, ClassVar

STATES_ZH = {
    "draft": "还是草稿", "review": "正在审核", "running": "正在进行", "paused": "已暂停", "decided": "已有结论",
    "stopped": "已停止", "archived": "已归档",
}  # fmt: skip
# verb -> what it is called, and what to do instead.
VERBS_ZH = {
    "launch": ("开始", "要再测一次,请另建草稿。"),
    "submit": ("提交", "只有草稿可以提交。"),
    "reject": ("退回", "只有审核中的任务可以退回。"),
    "withdraw": ("撤回", "只有审核中的任务可以撤回。"),
    "pause": ("暂停", "只有进行中的任务可以暂停。"),
    "resume": ("继续", "只有暂停的任务可以继续。"),
    "stop": ("停止", "只有进行中或暂停的任务可以停止。"),
    "decide": ("下结论", "只有进行中或暂停的任务可以下结论。"),
    "archive": ("归档", "请先停止。"),
    "edit": ("修改", "只有草稿可以修改。"),
    "get another style": ("加款式", "只有草稿可以修改。"),
    "change a style": ("改款式", "只有草稿可以修改。"),
    "lose a style": ("移除款式", "只有草稿可以修改。"),
    "take sales": ("填销量", "请等它结束。"),
    "have made styles": ("标记做出来的款式", "请等它结束。"),
}


class GameRefusal(Exception):
    """The game refuses this."""

    code: ClassVar[str] = "refused"

    def __init__(self, **params: Any) -> None:
        self.params = params
        super().__init__((self.__class__.__doc__ or "").strip().format(**params))


class TicketMalformed(GameRefusal):
    """This ticket cannot be read; ask for a new round and send its tickets unchanged."""

    code = "ticket_malformed"


class TicketForged(GameRefusal):
    """This ticket was not signed here; ask for a new round and send its tickets unchanged."""

    code = "ticket_forged"


class TicketExpired(GameRefusal):
    """This ticket expired at {expires_at}; ask for a new round."""

    code = "ticket_expired"


class TicketForeign(GameRefusal):
    """This ticket was dealt to another player; log in as the player who was asked, or ask for a new round."""

    code = "ticket_foreign"


class TicketOfAnotherSession(GameRefusal):
    """This ticket was dealt to another device; ask for a new round on this one."""

    code = "ticket_other_device"


class AnsweredDifferently(GameRefusal):
    """This matchup was already answered "{recorded}"; the first answer stands."""

    code = "answered_differently"


class PictureUnclear(GameRefusal):
    """You could not see the pictures well, so no choice was recorded; the pair will not come back."""

    code = "picture_unclear"


class PlayerGone(GameRefusal):
    """This account was deleted; log in again to start a new one."""

    code = "player_gone"


class ChoiceUnknown(GameRefusal):
    """ "{choice}" is not a choice; send left, right, neither or unclear."""

    code = "choice_unknown"


class TestIncomplete(GameRefusal):
    """This test cannot start yet: {missing}"""

    code = "test_incomplete"


class ContentRefused(GameRefusal):
    """Review has refused what players would see of {what}: {why} Change it, then start again."""

    code = "content_refused"


class ContentJudged(GameRefusal):
    """This was judged already ({state}); load the list again."""

    code = "content_judged"


class TransitionRefused(GameRefusal):
    """A test that is {state} cannot {verb}; {advice}"""

    code = "test_state"

    @property
    def sentence_zh(self) -> str:
        """The same in Chinese; for verbs that were asked for by hand with what to do instead."""
        state, verb = str(self.params.get("state")), str(self.params.get("verb"))
        said, advice = VERBS_ZH.get(verb, ("这样做", "请刷新后再看。"))
        return f"任务{STATES_ZH.get(state, state)},不能{said};{self.params.get('advice_zh') or advice}"


class GoalImpossible(GameRefusal):
    """A goal of {keep} from {styles} styles cannot be reached; keep at least 1 and fewer than there are styles."""

    code = "goal_impossible"


class TestFieldInvalid(GameRefusal):
    """{field}: {problem}"""

    code = "test_field_invalid"


class SegmentInvalid(GameRefusal):
    """Segment "{segment}": {problem}"""

    code = "segment_invalid"


class SegmentNameTaken(GameRefusal):
    """There is a segment called "{segment}" already; give this one another name, or change that one."""

    code = "segment_name_taken"


class CaseClosed(GameRefusal):
    """This case was judged already ({state}); open a new one if there is new evidence."""

    code = "case_closed"


class FourEyesNeeded(GameRefusal):
    """Money is moved by two persons: one proposes, and another one, signed in to the console, approves."""

    code = "four_eyes_needed"


class NothingToAppeal(GameRefusal):
    """Your account is in good standing; there is nothing to contest."""

    code = "nothing_to_appeal"


class AppealOpen(GameRefusal):
    """Your appeal of {at} is being read by a person; its answer comes first."""

    code = "appeal_open"


class AppealAnswered(GameRefusal):
    """This appeal was answered already ({state})."""

    code = "appeal_answered"


class ReversalDone(GameRefusal):
    """This payment was taken back already."""

    code = "reversal_done"
