// Fulfilment: a carrier's file with a result per row, and labels as a download.
import { call, element, english, words } from "./console.js";

const RESULTS = { moved: words("已更新", "moved"), unchanged: words("无变化", "unchanged"), refused: words("未处理", "refused") };
const CODES = {
  unknown_order: words("没有这个订单", "no such order"),
  not_an_order_id: words("订单号看不懂", "no order's id"),
  unknown_status: words("状态看不懂", "unknown status"),
  not_this_move: words("订单当前状态不能这样改", "its state does not allow that"),
  not_your_move: words("不能由快递回执改", "not for a carrier's file"),
  carrier_unreadable: words("快递公司名太长或有怪字符", "unreadable carrier"),
  tracking_no_unreadable: words("运单号太长或有怪字符", "unreadable tracking number"),
};

document.getElementById("import")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const place = form.querySelector(".error");
  const button = form.querySelector("button");
  place.textContent = "";
  button.disabled = true;
  try {
    const body = new FormData();
    body.append("file", form.elements.file.files[0]);
    const told = await call("POST", "/v1/ops/orders/carrier-files", body);
    form.closest("dialog").close();
    form.reset();
    const result = document.getElementById("result");
    result.querySelector(".big").textContent = words(`更新 ${told.moved},无变化 ${told.unchanged},未处理 ${told.refused}`, `${told.moved} moved, ${told.unchanged} unchanged, ${told.refused} refused`);
    const rows = [...told.rows].sort((a, b) => (b.result === "refused") - (a.result === "refused")).slice(0, 500);
    result.querySelector("tbody").replaceChildren(...rows.map((row) =>
      element("tr", {},
        element("td", { text: row.line, "data-label": words("行", "Line") }),
        element("td", { class: "id", text: row.order_id, "data-label": words("订单", "Order") }),
        element("td", { text: RESULTS[row.result], "data-label": words("结果", "Result") }),
        element("td", { text: row.code ? CODES[row.code] ?? row.code : "—", title: row.detail, "data-label": words("原因", "Why") }))));
    result.hidden = false;
    result.focus();
  } catch (error) {
    place.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

document.getElementById("export")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const place = form.querySelector(".error");
  place.textContent = "";
  const headers = { "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content, "Content-Type": "application/json", "Accept-Language": english ? "en" : "zh" };
  let after = null;
  try {
    do {
      const reply = await fetch("/v1/ops/orders/labels", { method: "POST", headers, body: JSON.stringify({ reason: form.elements.reason.value.trim(), after }) });
      if (!reply.ok) {
        place.textContent = (await reply.json()).detail;
        return;
      }
      after = reply.headers.get("X-Next-After");
      const link = element("a", { href: URL.createObjectURL(await reply.blob()), download: `labels-${Date.now()}.csv` });
      link.click();
      URL.revokeObjectURL(link.href);
    } while (after);
    form.closest("dialog").close();
  } catch {
    place.textContent = words("连不上服务,请检查网络后重试。", "The service cannot be reached; check the network and try again.");
  }
});
