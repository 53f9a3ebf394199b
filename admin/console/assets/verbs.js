// The verbs of a test: launch, pause, resume, stop, delete.
import { call, here, say, words } from "./console.js";

const SURE = {
  stop: words("停止后不能再继续。已发出的题目仍会兑现。确定停止吗?", "A stopped test cannot go on. Offers that are out stay honoured. Stop it?"),
  delete: words("草稿会被删除,确定吗?", "The draft will be deleted. Sure?"),
};

export function verbs(testId, before = async () => {}) {
  for (const button of document.querySelectorAll("[data-verb]"))
    button.addEventListener("click", async () => {
      say(null);
      const verb = button.dataset.verb;
      if (SURE[verb] && !confirm(SURE[verb])) return;
      button.disabled = true;
      try {
        await before(verb);
        if (verb === "delete") {
          await call("DELETE", `/v1/merchant/tests/${testId}`);
          location.href = here("/");
          return;
        }
        await call("POST", `/v1/merchant/tests/${testId}/${verb}`);
        location.reload();
      } catch (error) {
        say(error);
        document.getElementById("problem")?.scrollIntoView({ block: "center" });
        button.disabled = false;
      }
    });
}
