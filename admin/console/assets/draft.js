import { call, element, fen, mark, percent, say, span, words, yuan } from "./console.js";
import { fields } from "./form.js";
import { dropping, progress, send, titleOf } from "./upload.js";
import { verbs } from "./verbs.js";

const testId = document.querySelector("script[data-test]").dataset.test;
const path = `/v1/merchant/tests/${testId}`;
const form = document.getElementById("edit");

async function save() {
  mark(form, null);
  try {
    show(await call("PATCH", path, fields()));
  } catch (error) {
    mark(form, error);
    throw error;
  }
}
verbs(testId, (verb) => (verb === "launch" ? save() : Promise.resolve()));

function show(test) {
  const missing = test.missing.map((text) => element("li", { text }));
  if (!missing.length) missing.push(element("li", { class: "ok", text: words("可以开始了。", "Ready to start.") }));
  document.getElementById("missing").replaceChildren(...missing);
  document.getElementById("launch").disabled = test.missing.length > 0;
  document.getElementById("style-count").textContent = test.styles.filter((style) => !style.decoy).length;
  quote();
}

async function quote() {
  const box = document.getElementById("quote");
  try {
    const asked = await call("POST", `${path}/quote`);
    const days = asked.expected_days === null
      ? words("还不知道现在有多少合适的玩家在玩。", "The present flow of matching players is not known yet.")
      : words(`按现在的人流约 ${span(asked.expected_days)},最多约 ${span(asked.high_days)}。`, `At the present flow about ${span(asked.expected_days)}, at most some ${span(asked.high_days)}.`);
    const rows = asked.beside.map((one) =>
      element("tr", one.certainty === asked.certainty && one.confidence === asked.confidence ? { class: "asked" } : {},
        element("th", { scope: "row", text: `${one.certainty === "likely" ? words("很有把握", "likely") : words("已经证实", "proven")} ${Math.round(100 * one.confidence)}%` }),
        element("td", { class: "num", text: yuan(one.expected_fen) }),
        element("td", { class: "num", text: percent(one.chance_within_budget) })));
    box.replaceChildren(
      element("p", { class: "big", text: `${yuan(asked.low_fen)} – ${yuan(asked.high_fen)}` }),
      element("p", { text: asked.words[words("zh", "en")] }),
      element("p", { class: "soft", text: `${words("约", "about")} ${asked.expected_votes.toLocaleString()} ${words("票", "votes")} (${asked.low_votes.toLocaleString()}–${asked.high_votes.toLocaleString()})。${days}` }),
      element("table", { class: "compact" },
        element("caption", { text: words("换一种把握", "At other promises") }),
        element("thead", {}, element("tr", {}, element("th", { scope: "col", text: words("把握", "Sure to") }), element("th", { scope: "col", class: "num", text: words("预计", "Expected") }), element("th", { scope: "col", class: "num", text: words("上限够用", "Ceiling enough") }))),
        element("tbody", {}, ...rows)),
    );
  } catch (error) {
    box.replaceChildren(element("p", { class: "soft", text: error.message }));
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  const saved = document.getElementById("saved");
  saved.textContent = "";
  try {
    await save();
    saved.textContent = words("已保存", "Saved");
  } catch (error) {
    say(error);
  }
});

// "颜色=红色 袖长=短袖": names and values as merchants write them.
function attributes(text) {
  const found = {};
  for (const part of text.split(/[\s,，;；]+/).filter(Boolean)) {
    const [name, value] = part.split(/[=＝:：]/);
    if (!name || !value) throw new Error(words(`属性写成 颜色=红色 这样;“${part}”看不懂。`, `Write attributes like Colour=Red; "${part}" is unclear.`));
    found[name] = value;
  }
  return found;
}

for (const item of document.querySelectorAll("[data-style]")) {
  const own = `${path}/styles/${item.dataset.style}`;
  const problem = item.querySelector(".bad");
  item.addEventListener("change", async (event) => {
    const input = event.target;
    problem.textContent = "";
    input.removeAttribute("aria-invalid");
    try {
      const value = input.name === "title" ? input.value : input.name === "attributes" ? attributes(input.value) : input.name === "reference_sales" ? (input.value === "" ? null : Number(input.value)) : fen(input.value);
      show(await call("PATCH", own, { [input.name]: value }));
    } catch (error) {
      problem.textContent = error.message;
      input.setAttribute("aria-invalid", "true");
    }
  });
  item.querySelector("[data-remove]").addEventListener("click", async () => {
    try {
      show(await call("DELETE", own));
      item.remove();
    } catch (error) {
      problem.textContent = error.message;
    }
  });
}

dropping(document.getElementById("drop"), document.getElementById("pictures"), async (files) => {
  const problems = document.getElementById("upload-problems");
  problems.replaceChildren();
  const steps = progress(document.getElementById("progress"), files.length);
  for (const file of files) {
    try {
      await send(testId, file, titleOf(file));
    } catch (error) {
      problems.append(element("li", { text: `${file.name}: ${error.message}` }));
    }
    steps.step();
  }
  steps.end();
  if (!problems.childElementCount) location.reload();
});

quote();
