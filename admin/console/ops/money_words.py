"""Words of the pages of money and prizes, in both languages: kinds and states of moves, states of orders, rows of a file."""

MOVE_KINDS = {
    "deposit": ("收到商家款项", "Money received"),
    "payout": ("退款给商家", "Paid back"),
    "top_up": ("测款追加", "Test topped up"),
    "return": ("测款退回", "Returned from a test"),
    "between_tests": ("测款间调拨", "Between tests"),
    "programme_fund": ("平台预算注入", "Programme funded"),
    "programme_return": ("平台预算退回", "Programme returned"),
}
MOVE_STATES = {
    "waiting": ("待复核", "Waiting"),
    "done": ("已完成", "Done"),
    "declined": ("已拒绝", "Declined"),
}
ORDER_STATES = {
    "address_needed": ("待填地址", "Address needed"),
    "pending": ("待下单", "To be ordered"),
    "ordered": ("已下单", "Ordered"),
    "shipped": ("已发货", "Shipped"),
    "delivered": ("已签收", "Delivered"),
    "back_ordered": ("缺货等待", "Back-ordered"),
    "failed": ("派送失败", "Failed"),
    "cancelled": ("已赠出", "Given away"),
    "compensated": ("已补偿", "Compensated"),
}
DAMAGE_STATES = {
    "open": ("待处理", "Open"),
    "resent": ("已补寄", "Sent again"),
    "compensated": ("已退肥料", "Grams given back"),
    "declined": ("未支持", "Declined"),
}
MOVERS = {
    "player": ("玩家", "player"),
    "fulfilment": ("履约", "fulfilment"),
    "carrier": ("快递", "carrier"),
    "system": ("系统", "system"),
}
GENDERS = {"female": ("女", "Women"), "male": ("男", "Men"), "other": ("其他", "Other")}
INTEREST_WORDS = {
    "dresses": ("连衣裙", "Dresses"), "casual": ("休闲", "Casual"), "office": ("通勤", "Office"), "sport": ("运动", "Sport"),
    "street": ("街头", "Street"), "vintage": ("复古", "Vintage"), "minimal": ("极简", "Minimal"), "sweet": ("甜美", "Sweet"),
    "outdoor": ("户外", "Outdoor"), "luxury": ("轻奢", "Luxury"), "kids": ("童装", "Kids"), "shoes": ("鞋", "Shoes"),
}  # fmt: skip


def in_language(words: dict[str, tuple[str, str]], *, english: bool) -> dict[str, str]:
    """Codes with their words in one language."""
    return {code: pair[1] if english else pair[0] for code, pair in words.items()}
