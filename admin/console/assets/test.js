import { call, english, say, words } from "./console.js";

const self = document.querySelector("script[data-test]");
const testId = self.dataset.test;
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
const percent = (p) => (p > 0.995 ? ">99%" : p < 0.005 ? "<1%" : `${Math.round(100 * p)}%`);

for (const button of document.querySelectorAll("[data-verb]"))
  button.addEventListener("click", async () => {
    say(null);
    if (button.dataset.verb === "stop" && !confirm(words("停止后不能再继续。已发出的题目仍会兑现。确定停止吗?", "A stopped test cannot go on. Offers that are out stay honoured. Stop it?"))) return;
    button.disabled = true;
    try {
      await call("POST", `/v1/merchant/tests/${testId}/${button.dataset.verb}`);
      location.reload();
    } catch (error) {
      say(error);
      button.disabled = false;
    }
  });

function svg(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function interval(item, scale, label) {
  const chart = svg("svg", { viewBox: "0 0 300 34", preserveAspectRatio: "none", role: "img", "aria-label": label });
  const x = (v) => (10 + (280 * (v - scale.low)) / (scale.high - scale.low)).toFixed(1);
  chart.append(
    svg("line", { x1: x(0), x2: x(0), y1: 2, y2: 32, stroke: "currentColor", "stroke-opacity": 0.25, "stroke-dasharray": "2 3" }),
    svg("line", { x1: x(item.low), x2: x(item.high), y1: 17, y2: 17, stroke: "var(--accent)", "stroke-width": 6, "stroke-opacity": 0.35, "stroke-linecap": "round" }),
    svg("ellipse", { cx: x(item.strength), cy: 17, rx: 5, ry: 6, fill: "var(--accent)" }),
  );
  return chart;
}

function text(tag, className, content) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = content;
  return element;
}

function row(item, keep, scale) {
  const line = document.createElement("div");
  line.className = "style";
  const picture = document.createElement("img");
  picture.src = `/media/${item.picture}-small.webp`;
  picture.alt = "";
  const name = text("div", "name", item.name);
  name.append(text("div", "reason", english ? item.reason.en : item.reason.zh));
  const label = words(`强度 ${item.strength.toFixed(2)},95% 区间 ${item.low.toFixed(2)} 到 ${item.high.toFixed(2)}`, `strength ${item.strength.toFixed(2)}, 95 % interval ${item.low.toFixed(2)} to ${item.high.toFixed(2)}`);
  const verdict = text("div", `verdict ${item.verdict}`, VERDICTS[item.verdict]);
  verdict.append(text("span", "p", words(`前 ${keep} 概率 ${percent(item.p_top)} · ${item.votes} 票`, `top ${keep}: ${percent(item.p_top)} · ${item.votes} votes`)));
  line.append(text("div", "rank", item.rank), picture, name, interval(item, scale, label), verdict);
  return line;
}

function show(document_) {
  document.getElementById("status").textContent = STATUSES[document_.status] ?? document_.status;
  const money = document_.money ? ` · ${words("已用", "spent")} ¥${(document_.money.spent_fen / 100).toFixed(2)}` : "";
  document.getElementById("numbers").textContent = words(`${document_.votes} 票`, `${document_.votes} votes`) + money;
  const sure = document_.decision?.probability ?? 0;
  const meter = document.getElementById("meter");
  meter.firstElementChild.style.width = `${100 * sure}%`;
  meter.setAttribute("aria-label", words(`把握 ${percent(sure)}`, `sure to ${percent(sure)}`));
  if (document_.decision) document.getElementById("numbers").textContent += ` · ${words("把握", "sure to")} ${percent(sure)}`;
  document.getElementById("ailments").replaceChildren(...(document_.ailments ?? []).map((ill) => text("li", "", english ? ill.en : ill.zh)));
  const items = [...document_.items].sort((a, b) => a.rank - b.rank || b.strength - a.strength);
  if (!items.length) return;
  const scale = { low: Math.min(0, ...items.map((i) => i.low)), high: Math.max(0, ...items.map((i) => i.high)) };
  document.getElementById("ranking").replaceChildren(...items.map((item) => row(item, document_.goal.keep, scale)));
}

if (document.getElementById("ranking")) {
  const events = new EventSource(`/v1/merchant/tests/${testId}/events`);
  events.addEventListener("ranking", (event) => {
    const news = JSON.parse(event.data);
    show(news);
    if (self.dataset.state !== news.state) location.reload();
  });
  events.addEventListener("end", () => events.close());
}
