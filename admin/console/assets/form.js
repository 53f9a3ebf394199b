// The form of a test: what is typed becomes a draft's fields, and audiences are lines that come and go.
import { call, element, fen, words } from "./console.js";

const box = document.getElementById("segments");

function line(data) {
  const field = (name, label, attributes, value) => {
    const input = element("input", { ...attributes, "data-field": name, value: value ?? "" });
    return element("label", { text: label }, input);
  };
  const gender = element("select", { "data-field": "gender" },
    ...[["", words("不限", "Anyone")], ["female", words("女", "Women")], ["male", words("男", "Men")]].map(([value, text]) =>
      element("option", { value, text, selected: (data.gender ?? "") === value })));
  const row = element("div", { class: "segment", role: "group", "aria-label": words("人群", "Audience") },
    field("name", words("叫法", "Name"), { maxlength: 40, placeholder: words("如:女 18-29", "e.g. women 18-29") }, data.name),
    element("label", { text: words("性别", "Gender") }, gender),
    field("age_min", words("年龄从", "Age from"), { type: "number", min: 0, max: 120 }, data.age_min),
    field("age_max", words("到", "to"), { type: "number", min: 0, max: 120 }, data.age_max),
    field("share", words("占票数 %", "% of votes"), { type: "number", min: 0, max: 100, title: words("不填就不限", "Empty: no quota") }, data.share_permille ? data.share_permille / 10 : ""),
    element("button", { type: "button", class: "plain", text: words("去掉", "Remove"), onclick: () => row.remove() }));
  row.told = data;
  return row;
}

if (box) {
  const given = JSON.parse(box.dataset.segments).filter((one) => !(one.name === "everyone" && Object.keys(one).length <= 2));
  box.append(...given.map(line));
  document.getElementById("add-segment").addEventListener("click", () => {
    const row = line({});
    box.append(row);
    row.querySelector("input").focus();
  });
  offer();
}

// Audiences that the house has named: one that is picked is copied into a line, and may be changed there.
async function offer() {
  const { segments } = await call("GET", "/v1/merchant/segments").catch(() => ({ segments: [] }));
  if (!segments.length) return;
  const pick = element("select", { id: "pick-segment", onchange: () => {
    const row = line(segments[Number(pick.value)]);
    box.append(row);
    pick.value = "";
    row.querySelector("input").focus();
  } },
    element("option", { value: "", text: words("选一个…", "Pick one…") }),
    ...segments.map((one, index) => element("option", { value: index, text: one.name })));
  document.getElementById("add-segment").after(element("label", { text: words("或从人群库里选", "Or pick a named audience") }, pick));
}

const ends = document.getElementById("ends");
if (ends?.dataset.utc) {
  const at = new Date(ends.dataset.utc);
  ends.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function audience() {
  return [...box.querySelectorAll(".segment")].map((row, index) => {
    const value = (name) => row.querySelector(`[data-field="${name}"]`).value.trim();
    // What this form does not show (interests, a region) stays as it was told elsewhere.
    const { interests, region } = row.told;
    const segment = { ...(interests?.length ? { interests } : {}), ...(region ? { region } : {}) };
    if (value("gender")) segment.gender = value("gender");
    if (value("age_min")) segment.age_min = Number(value("age_min"));
    if (value("age_max")) segment.age_max = Number(value("age_max"));
    if (value("share")) segment.share_permille = Math.round(10 * Number(value("share")));
    const told = [{ female: words("女", "women"), male: words("男", "men") }[segment.gender], segment.age_min || segment.age_max ? `${segment.age_min ?? 0}-${segment.age_max ?? "…"}` : ""];
    segment.name = value("name") || told.filter(Boolean).join(" ") || words(`人群 ${index + 1}`, `audience ${index + 1}`);
    return segment;
  });
}

export function fields() {
  const value = (id) => document.getElementById(id).value.trim();
  return {
    title: value("title"),
    question: value("question") || undefined,
    goal: { keep: Number(value("keep")), certainty: value("certainty"), confidence: Number(value("confidence")), indifference: Number(value("indifference")) },
    audience: audience(),
    budget_fen: fen(value("budget")) ?? 0,
    min_days: Number(value("min-days")) || 0,
    ends_at: value("ends") ? new Date(value("ends")).toISOString() : null,
  };
}
