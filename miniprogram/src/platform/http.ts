// One HTTP request, as each platform makes it.

import { NoNetwork, type HttpAnswer, type HttpRequest, type UploadRequest } from "./types";

export function sendHttp(request: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    void uni.request({
      url: request.url,
      method: request.method,
      header: request.headers,
      // a plain string, or some platforms would turn the body into a form
      data: request.body === undefined ? undefined : JSON.stringify(request.body),
      timeout: request.timeout_ms,
      // text, so that an answer that is no JSON arrives at all
      dataType: "text",
      success: (answer) => resolve(answerOf(answer)),
      fail: (problem: Told) => {
        // Alipay calls every status outside 200-299 a failure (its error 19), and tells the answer all the same
        if (statusOf(problem) >= 100) resolve(answerOf(problem));
        else reject(new NoNetwork(problem.errMsg ?? problem.errorMessage ?? "no answer"));
      },
    } as UniApp.RequestOptions);
  });
}

/** A picture and texts as one form. The platforms set its content type themselves. */
export function uploadHttp(request: UploadRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      url: request.url,
      filePath: request.picture.path,
      name: "picture",
      header: request.headers,
      formData: request.texts,
      timeout: request.timeout_ms,
      success: (answer: Told) => resolve(answerOf(answer)),
      fail: (problem: Told) => {
        if (statusOf(problem) >= 100) resolve(answerOf(problem));
        else reject(new NoNetwork(problem.errMsg ?? problem.errorMessage ?? "no answer"));
      },
    };
    // #ifdef MP-ALIPAY
    // older clients know the part's name by `fileName` and want to be told that it is an image
    my.uploadFile({ ...options, fileName: options.name, fileType: "image" });
    // #endif
    // #ifndef MP-ALIPAY
    void uni.uploadFile(options as UniApp.UploadFileOption);
    // #endif
  });
}

/** What the platforms tell of an answer, by the names that they have for it. */
interface Told {
  statusCode?: number;
  status?: number;
  header?: unknown;
  headers?: unknown;
  data?: unknown;
  errMsg?: string;
  errorMessage?: string;
}

function statusOf(told: Told): number {
  return Number(told.statusCode ?? told.status ?? 0) || 0;
}

export function answerOf(told: Told): HttpAnswer {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries((told.header ?? told.headers ?? {}) as Record<string, unknown>)) {
    headers[name.toLowerCase()] = String(value);
  }
  return { status: statusOf(told), body: parsed(told.data), headers };
}

function parsed(data: unknown): unknown {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return data;
  }
}
