// A call that the service refused: its stable code, its own sentence, and whether waiting helps.

import type { HttpAnswer } from "@/platform/types";

import { fields, text, whole } from "./read";

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly request_id: string,
    /** Seconds to wait before the same call may succeed; null where waiting does not help. */
    readonly retry_after_s: number | null,
    readonly field: string | null,
  ) {
    super(detail || code);
    this.name = "Problem";
  }
}

export function problemOf(answer: HttpAnswer): Problem {
  const body = fields(answer.body) ?? {};
  const said = Number(answer.headers["retry-after"]);
  const waits = answer.status === 429 || answer.status >= 500;
  const field = fields(body["params"])?.["field"] ?? body["field"];
  return new Problem(
    answer.status,
    text(body["code"], `http_${answer.status}`),
    text(body["detail"], text(body["title"])),
    text(body["request_id"]),
    waits ? (Number.isFinite(said) && said > 0 ? Math.min(said, 600) : whole(body["retry_after_s"], 0) || null) : null,
    typeof field === "string" ? field : null,
  );
}

/** Whether the same call may succeed later without anyone changing anything. */
export function mayPass(problem: unknown): boolean {
  return problem instanceof Problem && (problem.status === 429 || problem.status >= 500);
}
