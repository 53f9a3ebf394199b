// One HTTP request, as each platform makes it.

import { NoNetwork, type HttpAnswer, type HttpRequest } from "./types";

export function sendHttp(request: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    void uni.request({
      url: request.url,
      // PATCH is allowed by every platform's request, if not by the type
      method: request.method as "GET",
      header: request.headers,
      // a plain string, or some platforms would turn the body into a form
      data: request.body === undefined ? undefined : JSON.stringify(request.body),
      timeout: request.timeout_ms,
      // text, so that an answer that is no JSON arrives at all
      dataType: "text",
      success: (answer) => {
        const headers: Record<string, string> = {};
        for (const [name, value] of Object.entries((answer.header ?? {}) as Record<string, unknown>)) {
          headers[name.toLowerCase()] = String(value);
        }
        resolve({ status: answer.statusCode, body: parsed(answer.data), headers });
      },
      fail: (problem: { errMsg?: string; errorMessage?: string }) => {
        reject(new NoNetwork(problem.errMsg ?? problem.errorMessage ?? "no answer"));
      },
    } as UniApp.RequestOptions);
  });
}

function parsed(data: unknown): unknown {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return data;
  }
}
