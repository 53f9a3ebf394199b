import { call, element, english, fen, local, percent, say, weights, words, yuan } from "./console.js";
import { verbs } from "./verbs.js";

const self = document.querySelector("script[data-test]");
const testId = self.dataset.test;
const keep = Number(self.dataset.keep);
const path = `/v1/merchant/tests/${testId}`;
const place = (id) => document.getElementById(id);
const NS = "http://www.w3.org/2000/svg";
const VERDICTS = {
  hit: words("爆款潜力", "Make"),
  steady: words("平销", "Steady"),
  revise: words("改款", "Revise"),
  cut: words("淘汰", "Cut"),
  insufficient: words("样本不足", "Not enough votes"),
};
const STATUSES = {
  no_data: words("还没有投票", "No votes yet"),
  collecting: words("收集中,还不能下结论", "Collecting; too early to say"),
  ready: words("可以决定了", "Ready to decide"),
  review: words("已结束,但把握不足,请人工判断", "Ended without enough certainty; judge for yourself"),
  unhealthy: words("数据异常,请先检查", "The data are not healthy; look into it first"),
};
const ATTRIBUTES = { colour: "颜色", sleeve: "袖长", length: "衣长", neckline: "领型", fabric: "面料", silhouette: "版型", pattern: "图案", waist: "腰型", season: "季节", price: "价格" };
let segment = null; // the audience whose ranking is shown; null: all
let news = null;

verbs(testId);

function svg(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function interval(item, scale, label) {
  const chart = svg("svg", { viewBox: "0 0 300 26", preserveAspectRatio: "none", role: "img", "aria-label": label });
  const x = (v) => (8 + (284 * (v - scale.low)) / (scale.high - scale.low)).toFixed(1);
  chart.append(
    svg("line", { x1: x(0), x2: x(0), y1: 1, y2: 25, stroke: "currentColor", "stroke-opacity": 0.4, "stroke-dasharray": "2 3" }),
    svg("rect", { x: x(item.low), width: Math.max(2, x(item.high) - x(item.low)), y: 9, height: 8, rx: 4, fill: "var(--accent)", "fill-opacity": 0.32 }),
    svg("rect", { x: x(item.strength) - 2.5, width: 5, y: 5, height: 16, rx: 2.5, fill: "var(--accent)" }),
  );
  return chart;
}

const byId = () => new Map(news.items.map((item) => [item.style_id, item]));

function row(item, scale) {
  const whole = byId().get(item.style_id);
  const label = words(`强度 ${item.strength.toFixed(2)},95% 区间 ${item.low.toFixed(2)} 到 ${item.high.toFixed(2)}`, `strength ${item.strength.toFixed(2)}, 95 % interval ${item.low.toFixed(2)} to ${item.high.toFixed(2)}`);
  const chances = words(`进前 ${keep}:${percent(item.p_top)}`, `top ${keep}: ${percent(item.p_top)}`);
  const share = words(`份额 ${(100 * item.share).toFixed(1)}%`, `share ${(100 * item.share).toFixed(1)} %`);
  return element("div", { class: "style" },
    element("div", { class: "rank", text: item.rank }),
    whole.picture ? element("img", { src: `/media/${whole.picture}-small.webp`, alt: "", width: 54, height: 72 }) : element("span", { class: "none" }),
    element("div", { class: "name", text: item.name }, element("div", { class: "reason", text: segment ? "" : english ? whole.reason.en : whole.reason.zh })),
    interval(item, scale, label),
    element("div", { class: `verdict ${segment ? "" : whole.verdict}`, text: segment ? "" : VERDICTS[whole.verdict] },
      element("span", { class: "p", text: chances }),
      element("span", { class: "p", text: share }),
      element("span", { class: "p", text: item.hidden ? words("票太少,仅供参考", "few votes, take with care") : words(`${item.votes} 票`, `${item.votes} votes`) })));
}

function showRanking() {
  const shown = segment ? (news.segments?.[segment]?.items ?? []) : news.items;
  if (!shown.length) {
    place("ranking").replaceChildren(element("p", { class: "soft", text: words("等待第一批投票…", "Waiting for the first votes …") }));
    return;
  }
  const items = [...shown].sort((a, b) => a.rank - b.rank || b.strength - a.strength);
  const scale = { low: Math.min(0, ...items.map((i) => i.low)), high: Math.max(0, ...items.map((i) => i.high)) };
  place("ranking").replaceChildren(...items.map((item) => row(item, scale)));
}

function showChips() {
  const names = Object.keys(news.segments ?? {});
  if (names.length < 2) return place("segment-choice").replaceChildren();
  const chip = (name, text) =>
    element("button", { type: "button", text, "aria-pressed": String(segment === name), onclick: () => {
      segment = name;
      showChips();
      showRanking();
    } });
  const focused = place("segment-choice").contains(document.activeElement) ? document.activeElement.textContent : null;
  place("segment-choice").replaceChildren(chip(null, words("全部", "All")), ...names.map((name) => chip(name, name)));
  // A page that is drawn anew each second must not take the focus away.
  for (const each of place("segment-choice").children) if (each.textContent === focused) each.focus();
}

function fact(name, value) {
  return element("div", {}, element("dt", { text: name }), element("dd", { text: value }));
}

function showSummary() {
  const decision = news.decision;
  place("status").textContent = STATUSES[news.status] ?? news.status;
  place("numbers").textContent = words(`${news.votes.toLocaleString()} 票 · ${(news.voters ?? 0).toLocaleString()} 人`, `${news.votes.toLocaleString()} votes · ${(news.voters ?? 0).toLocaleString()} voters`);
  const sure = decision?.probability ?? 0;
  const meter = place("meter");
  meter.firstElementChild.style.width = `${100 * sure}%`;
  meter.setAttribute("aria-valuenow", Math.round(100 * sure));
  meter.setAttribute("aria-valuetext", words(`把握 ${percent(sure)}`, `sure to ${percent(sure)}`));
  const facts = [fact(words("把握", "Sure to"), decision ? percent(sure) : "—")];
  const money = news.money;
  if (money) facts.push(fact(words("花费(含未结算)", "Spent (and owed)"), `${yuan(money.spent_fen + (money.held_fen ?? 0))} / ${yuan(money.budget_fen)}`));
  const more = news.forecast;
  const open = ["running", "paused"].includes(news.state) && news.status === "collecting";
  if (more && open) {
    const range = (low, high, show) => (low === null ? words("远超现有预算", "far beyond") : `${show(low)} – ${high === null ? words("很多", "many") : show(high)}`);
    facts.push(fact(words("大约还要", "Still needed"), range(more.votes_low, more.votes_high, (v) => Math.round(v).toLocaleString()) + words(" 票", " votes")));
    facts.push(fact(words("大约还要花", "Money still needed"), range(more.money_low_fen, more.money_high_fen, yuan)));
    const ahead = news.progress;
    if (ahead?.done_low_at) {
      const until = ahead.done_high_at ? local(ahead.done_high_at) : words("更晚", "later");
      facts.push(fact(words("预计有结论", "Done, at this pace"), `${local(ahead.done_low_at)} – ${until}`));
      if (ahead.ends_at && (!ahead.done_high_at || ahead.done_high_at > ahead.ends_at))
        facts.push(fact(words("截止", "Deadline"), words(`${local(ahead.ends_at)},可能来不及`, `${local(ahead.ends_at)}: may come too soon`)));
    }
    facts.push(fact(words("再花 ¥100 就有结论的可能", "Another ¥100 decides with"), percent(more.chance_with_100_yuan)));
  }
  if (decision && news.status === "ready") facts.push(fact(words("抗刷票", "Against bought votes"), english ? decision.margin.en : decision.margin.zh));
  place("facts").replaceChildren(...facts);
  const said = (list) => list.map((one) => element("li", { text: english ? one.en : one.zh }));
  place("ailments").replaceChildren(...said(news.ailments ?? []));
  place("notes").replaceChildren(...said(news.notes ?? []));
}

function showParts() {
  const parts = news.attributes ?? [];
  place("parts-card").hidden = !parts.length;
  if (!parts.length) return;
  const scale = { low: Math.min(0, ...parts.map((p) => p.low)), high: Math.max(0, ...parts.map((p) => p.high)) };
  const groups = Map.groupBy ? Map.groupBy(parts, (p) => p.attribute) : parts.reduce((all, p) => all.set(p.attribute, [...(all.get(p.attribute) ?? []), p]), new Map());
  place("parts").replaceChildren(
    ...[...groups].map(([name, levels]) =>
      element("div", { class: "part" }, element("h3", { text: (!english && ATTRIBUTES[name]) || name }),
        ...[...levels].sort((a, b) => b.worth - a.worth).map((p) =>
          element("div", { class: "level" }, element("span", { text: levelName(p) }), interval({ strength: p.worth, low: p.low, high: p.high }, scale, `${p.level ?? name} ${p.worth.toFixed(2)} (${p.low.toFixed(2)} … ${p.high.toFixed(2)})`), element("span", { class: "num", text: (p.worth > 0 ? "+" : "") + p.worth.toFixed(2) })))))
  );
}
const levelName = (p) => (english ? (p.words?.en ?? p.level) : (p.words?.zh ?? p.level)) ?? "+1";

function showHeat() {
  const names = Object.keys(news.segments ?? {});
  place("heat-card").hidden = names.length < 2;
  if (names.length < 2) return;
  const differ = news.segments_differ;
  place("differ").textContent = !differ ? "" : differ.p_value < 0.01 ? words("不同人群的喜好确实不同。", "The audiences do differ.") : words("目前看不出人群之间有差别。", "These votes do not show a difference.");
  const items = [...news.items].sort((a, b) => a.rank - b.rank);
  const cell = (name, item) => {
    const own = news.segments[name].items.find((one) => one.style_id === item.style_id);
    if (!own || own.hidden) return element("td", { class: "hidden-cell", title: words("不到 200 次展示,不显示", "fewer than 200 exposures: not shown"), text: "·" });
    const away = own.share * items.length - 1;
    const colour = away >= 0 ? "31,122,84" : "139,58,52";
    const shown = element("td", { text: `${(100 * own.share).toFixed(0)}%` });
    shown.style.background = `rgba(${colour},${Math.min(0.55, Math.abs(away) * 0.55).toFixed(2)})`;
    return shown;
  };
  place("heat").replaceChildren(
    element("table", { class: "matrix" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col", text: words("款式", "Style") }), ...names.map((name) => element("th", { scope: "col", text: name })))),
      element("tbody", {}, ...items.map((item) => element("tr", {}, element("th", { scope: "row", text: item.name }), ...names.map((name) => cell(name, item)))))));
}

function showMatrix() {
  if (!place("matrix-card").open || !news.items.length) return;
  const order = news.items.map((item, index) => ({ item, index })).sort((a, b) => a.item.rank - b.item.rank);
  const cell = (a, b) => {
    const won = news.wins[a.index][b.index];
    const of = won + news.wins[b.index][a.index];
    const shown = element("td", { text: a === b || !of ? "·" : won });
    if (of) shown.style.background = `rgba(${2 * won >= of ? "31,122,84" : "139,58,52"},${(0.5 * Math.abs((2 * won) / of - 1)).toFixed(2)})`;
    return shown;
  };
  place("matrix").replaceChildren(
    element("table", { class: "matrix" },
      element("thead", {}, element("tr", {}, element("td"), ...order.map((b) => element("th", { scope: "col", title: b.item.name, text: b.item.rank })))),
      element("tbody", {}, ...order.map((a) => element("tr", {}, element("th", { scope: "row", text: `${a.item.rank}. ${a.item.name}` }), ...order.map((b) => cell(a, b)))))));
}
place("matrix-card").addEventListener("toggle", () => news && showMatrix());

function showHealth() {
  const side = news.side_effect;
  place("health").replaceChildren(
    fact(words("检验题答对", "Check pairs passed"), `${news.gold?.passed ?? 0} / ${news.gold?.asked ?? 0}`),
    fact(words("不计入的票", "Votes without weight"), String(news.weightless_votes ?? 0)),
    fact(words("左边优势", "Advantage of the left"), side ? `${side.estimate >= 0 ? "+" : ""}${side.estimate.toFixed(2)} ± ${(1.96 * side.standard_error).toFixed(2)}` : "—"),
    fact(words("算法", "Method"), news.method ?? "—"),
    ...(news.flags ?? []).map((flag) => fact(flag.code, flag.sentence)),
  );
}

function show() {
  showSummary();
  showChips();
  showRanking();
  showParts();
  showHeat();
  showMatrix();
  showHealth();
}

// ---- the first order: sliders that answer at once ----
const plan = place("plan");
let stored = {};
const shownPlan = { units: (v) => v.toLocaleString(), salvage_permille: (v) => `${v / 10}%`, min_units: (v) => String(v), early_permille: (v) => (v >= 1000 ? words("不翻单", "no reorder") : `${v / 10}%`), units_cv_permille: (v) => `±${v / 10}%`, fabric_mm: (v) => (v ? `${(v / 1000).toFixed(1)}` : words("不算面料", "not counted")), budget_yuan: (v) => (v ? `¥${v.toLocaleString()}` : words("不限", "no limit")) };
function label() {
  for (const input of plan.querySelectorAll("input[type=range]")) {
    const text = shownPlan[input.name](Number(input.value));
    input.parentElement.querySelector("output").textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
}
function planNow() {
  const value = (name) => Number(plan.elements[name].value);
  const typed = (name) => plan.elements[name].value;
  const body = { ...stored, sizes: weights(typed("sizes")), stores: weights(typed("stores")), fabric_metres: weights(typed("fabric_metres")), colours: typed("colours").split(/[\s,，;；、]+/).filter(Boolean) };
  for (const name of ["units", "salvage_permille", "min_units", "early_permille", "units_cv_permille", "fabric_mm"]) body[name] = value(name);
  body.budget_fen = value("budget_yuan") ? value("budget_yuan") * 100 : null;
  return body;
}
function showOrder(reply) {
  place("order-problem").textContent = "";
  const order = reply.order;
  place("order-kind").textContent = order?.kind_words ?? "";
  place("order-kind").className = `badge ${order?.kind === "advice" ? "hit" : "revise"}`;
  if (!order) return place("order").replaceChildren(element("p", { class: "soft", text: reply.missing }));
  // The order sheet of a style, summed up by one of its columns: "S 23 · M 56 · L 34".
  const summed = (title, column) => {
    const sums = new Map();
    for (const one of order.sheet) if (one.title === title && one[column] !== "—") sums.set(one[column], (sums.get(one[column]) ?? 0) + one.units);
    return [...sums].map(([name, units]) => `${name} ${units}`).join(" · ");
  };
  const splits = [["colour", words("颜色", "Colours")], ["size", words("尺码", "Sizes")], ["store", words("门店", "Shops")]].filter(([column]) => order.sheet.some((one) => one[column] !== "—"));
  place("order").replaceChildren(...[
    element("dl", { class: "facts" },
      fact(words("首单", "Order"), words(`${order.units} 件`, `${order.units} pieces`)),
      fact(words("货款", "Cost"), yuan(order.money_fen)),
      fact(words("预计积压损失", "Loss on leftovers"), yuan(order.leftover_fen)),
      fact(words("最坏一成", "Worst case of ten"), yuan(order.leftover_worst_fen)),
      fact(words("预计错失毛利", "Margin missed"), yuan(order.missed_fen)),
      fact(words("预计毛利", "Expected profit"), yuan(order.profit_fen))),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": words("首单明细", "Lines of the first order") },
      element("table", {},
        element("thead", {}, element("tr", {}, ...[[words("款式", "Style")], [words("件数", "Pieces"), "num"], [words("需求 10–90%", "Demand 10-90 %"), "num"], [words("翻单", "Reorder"), "num"], ...splits.map(([, name]) => [name])].map(([text, kind]) => element("th", { scope: "col", text, class: kind })))),
        element("tbody", {}, ...order.lines.map((line) => element("tr", {}, element("th", { scope: "row", text: line.title }), element("td", { class: "num", text: line.units }), element("td", { class: "num", text: `${line.demand_low}–${line.demand_high}` }), element("td", { class: "num", text: line.reorder_units || "—" }), ...splits.map(([column]) => element("td", { text: summed(line.title, column) }))))))),
    order.sheet.length > order.lines.length ? element("p", { class: "soft", text: words("款式 × 颜色 × 尺码 × 门店的完整下单表在 XLSX 报告里。", "The whole sheet, style x colour x size x shop, is in the XLSX report.") }) : null,
    element("ul", { class: "soft" }, ...order.assumptions.map((text) => element("li", { text }))),
  ].filter(Boolean));
}
let asked = 0;
async function reckon() {
  const mine = ++asked;
  try {
    const reply = await call("POST", `${path}/order`, planNow());
    if (mine === asked) showOrder(reply);
  } catch (error) {
    if (mine === asked) place("order-problem").textContent = error.message;
  }
}
let waiting = 0;
plan.addEventListener("input", () => {
  label();
  clearTimeout(waiting);
  waiting = setTimeout(reckon, 120);
});
plan.addEventListener("submit", (event) => event.preventDefault());
place("save-plan").addEventListener("click", async () => {
  try {
    const reply = await call("PUT", `${path}/plan`, planNow());
    showOrder(reply);
    place("plan-saved").textContent = words("已保存,报告会用它。", "Kept; reports use it.");
  } catch (error) {
    place("order-problem").textContent = error.message;
  }
});
async function loadPlan() {
  try {
    const reply = await call("GET", `${path}/plan`);
    stored = reply.plan;
    const written = (pairs) => Object.entries(pairs).map(([name, weight]) => `${name}=${weight}`).join(" ");
    plan.elements.units.value = stored.units ?? 1000;
    for (const name of ["salvage_permille", "min_units", "early_permille", "units_cv_permille", "fabric_mm"]) plan.elements[name].value = stored[name];
    plan.elements.budget_yuan.value = stored.budget_fen ? stored.budget_fen / 100 : 0;
    for (const name of ["sizes", "stores"]) plan.elements[name].value = written(stored[name]);
    const fabrics = JSON.parse(plan.dataset.fabrics);
    plan.elements.fabric_metres.value = written(Object.fromEntries(Object.entries(stored.fabric_metres).map(([code, metres]) => [fabrics[code] ?? code, metres])));
    plan.elements.colours.value = stored.colours.join(" ");
    label();
    showOrder(reply);
  } catch (error) {
    place("order-problem").textContent = error.message;
  }
}
label();
let ordered = -1;

// ---- afterwards ----
const after = place("after");
after?.addEventListener("submit", async (event) => {
  event.preventDefault();
  place("after-problem").textContent = "";
  try {
    const sold = [...after.querySelectorAll("[name=sold]")].filter((input) => input.value !== "").map((input) => ({ style: input.dataset.style, units: Number(input.value) }));
    const made = [...after.querySelectorAll("[name=made]:checked:not(:disabled)")].map((input) => input.value);
    if (sold.length) await call("PUT", `${path}/sales`, { sales: sold });
    if (made.length) await call("PUT", `${path}/produced`, { styles: made });
    place("after-saved").textContent = words("已保存", "Saved");
  } catch (error) {
    place("after-problem").textContent = error.message;
  }
});
place("sales-file")?.addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  place("after-problem").textContent = "";
  try {
    const reply = await call("PUT", `${path}/sales.csv`, file);
    for (const one of reply.sales) after.querySelector(`[data-style="${one.style_id}"]`).value = one.units;
    place("after-saved").textContent = words("已导入", "Imported");
  } catch (error) {
    place("after-problem").textContent = error.message;
  }
});

const events = new EventSource(`${path}/events`);
events.addEventListener("ranking", (event) => {
  news = JSON.parse(event.data);
  if (self.dataset.state !== news.state) return location.reload();
  show();
  // The order follows the votes, but slowly: numbers that jump each second are no help.
  if (news.items.length && (ordered < 0 || news.looked_at_votes > ordered)) {
    const first = ordered < 0;
    ordered = news.looked_at_votes ?? 0;
    if (first) loadPlan();
    else reckon();
  } else if (ordered < 0) {
    ordered = -1;
    place("order").replaceChildren(element("p", { class: "soft", text: words("有了投票才能计算首单。", "The first order needs votes.") }));
  }
});
events.addEventListener("end", () => events.close());
