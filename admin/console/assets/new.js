import { call, element, here, mark, say, words } from "./console.js";
import { fields } from "./form.js";
import { dropping, progress, send, titleOf } from "./upload.js";

const form = document.getElementById("new-test");
const list = document.getElementById("chosen");
const button = form.querySelector("button.main");
let chosen = []; // {file, title, done, problem}
let testId = null;

function show() {
  list.replaceChildren(
    ...chosen.map((entry, index) => {
      const title = element("input", { maxlength: 60, value: entry.title, "aria-label": words(`第 ${index + 1} 款的名称`, `Name of style ${index + 1}`), oninput: (event) => (entry.title = event.target.value) });
      return element("li", {},
        element("img", { src: (entry.url ??= URL.createObjectURL(entry.file)), alt: "" }),
        title,
        entry.problem ? element("span", { class: "bad", role: "alert", text: entry.problem }) : null,
        entry.done
          ? element("span", { class: "soft", text: words("已上传", "Uploaded") })
          : element("button", { type: "button", class: "plain", text: words("移除", "Remove"), "aria-label": words(`移除第 ${index + 1} 款`, `Remove style ${index + 1}`), onclick: () => {
              chosen = chosen.filter((other) => other !== entry);
              show();
            } }),
      );
    }),
  );
}

async function take(files) {
  say(null);
  const folder = files.find((file) => /\.zip$/i.test(file.name));
  if (!folder) {
    for (const file of files) chosen.push({ file, title: titleOf(file), done: false });
    show();
    return;
  }
  const steps = progress(document.getElementById("progress"), 2);
  steps.step(words("正在检查 zip 里的图片…", "Checking the pictures of the zip …"));
  button.disabled = true;
  try {
    const body = new FormData();
    body.append("folder", folder, folder.name);
    const made = await call("POST", "/v1/merchant/tests/import", body);
    location.href = here(`/tests/${made.test_id}`);
  } catch (error) {
    say(error);
  } finally {
    steps.end();
    button.disabled = false;
  }
}
dropping(document.getElementById("drop"), document.getElementById("pictures"), take);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  mark(form, null);
  button.disabled = true;
  const waiting = chosen.filter((one) => !one.done);
  const steps = progress(document.getElementById("progress"), waiting.length + 1);
  try {
    // A second try goes on where the first one stopped: the draft and the good pictures are kept.
    if (testId === null) testId = (await call("POST", "/v1/merchant/tests", fields())).test_id;
    else await call("PATCH", `/v1/merchant/tests/${testId}`, fields());
    steps.step();
    for (const entry of waiting) {
      entry.problem = null;
      try {
        await send(testId, entry.file, entry.title.trim());
        entry.done = true;
      } catch (error) {
        entry.problem = error.message;
      }
      steps.step();
    }
    show();
    if (chosen.every((entry) => entry.done)) location.href = here(`/tests/${testId}`);
    else say(new Error(words("有的图片不能用,请看图片下的说明;其他的已经保存。", "Some pictures cannot be used; see below them. The others are saved.")));
  } catch (error) {
    say(error);
    mark(form, error);
  } finally {
    button.disabled = false;
    steps.end();
  }
});
