// Calls to the service: one session that renews itself, JSON in and out, problems as named errors.

import type { HttpAnswer, HttpRequest, LogInCode, PickedPicture, Send, Store, Upload } from "@/platform/types";

import type { ServiceClock } from "./clock";
import type { Session } from "./contract";
import { Problem, problemOf } from "./problem";
import { readSession, Unreadable } from "./read";

export interface ClientParts {
  send: Send;
  upload: Upload;
  store: Store;
  clock: ServiceClock;
  address: string;
  logInCode: () => Promise<LogInCode>;
  device: () => string;
  language: () => "zh" | "en";
  timeout_ms?: number;
}

export interface CallOptions {
  body?: unknown;
  /** The same key for the same wish, however often it is sent. */
  key?: string;
}

type Method = HttpRequest["method"];

export class Client {
  private session: Session | null;
  private loggingIn: Promise<Session> | null = null;
  private listeners: ((player_id: string) => void)[] = [];

  constructor(private readonly parts: ClientParts) {
    this.session = this.remembered();
  }

  /** Who is logged in, as far as this phone remembers; it may be wrong until the next call. */
  get player_id(): string | null {
    return this.session?.player.player_id ?? null;
  }

  /** Calls back with the player at each log-in: another player may answer under the same app. */
  onLogIn(callback: (player_id: string) => void): void {
    this.listeners.push(callback);
  }

  /** The answer's body. Throws NoNetwork, Problem, Unreadable. */
  call(method: Method, path: string, options: CallOptions = {}): Promise<unknown> {
    return this.inSession((session) => this.sendWith(session, method, path, options));
  }

  /** Sends a picture with texts beside it, as a form. Throws NoNetwork, Problem, Unreadable. */
  upload(path: string, picture: PickedPicture, texts: Record<string, string>): Promise<unknown> {
    return this.inSession((session) =>
      this.parts.upload({
        url: this.parts.address + path,
        headers: { ...this.ownHeaders(), authorization: `Bearer ${session.token}` },
        picture,
        texts,
        timeout_ms: 60_000,
      }),
    );
  }

  private async inSession(send: (session: Session) => Promise<HttpAnswer>): Promise<unknown> {
    const session = await this.open();
    let answer = await send(session);
    // expired, revoked, or the account is gone: log in once more, then the answer is final
    if (answer.status === 401) answer = await send(await this.renew(session));
    if (answer.status < 200 || answer.status >= 300) throw problemOf(answer);
    return answer.body;
  }

  /** Make sure that there is a session. Many callers at once make one log-in. */
  async open(): Promise<Session> {
    if (this.session && !this.parts.clock.isOver(this.session.expires_at, 60_000)) return this.session;
    return this.renew(this.session);
  }

  forget(): void {
    this.session = null;
    this.parts.store.remove("session");
  }

  private renew(stale: Session | null): Promise<Session> {
    // someone else may have renewed it while our call was under way
    if (this.session && this.session !== stale) return Promise.resolve(this.session);
    this.loggingIn ??= this.logIn().finally(() => {
      this.loggingIn = null;
    });
    return this.loggingIn;
  }

  private async logIn(): Promise<Session> {
    const code = await this.parts.logInCode();
    const answer = await this.sendRaw("POST", "/v1/sessions", { ...code, device: this.parts.device() }, {});
    if (answer.status !== 201 && answer.status !== 200) throw problemOf(answer);
    const session = readSession(answer.body);
    this.session = session;
    this.parts.store.set("session", JSON.stringify(session));
    for (const listener of this.listeners) listener(session.player.player_id);
    return session;
  }

  private sendWith(session: Session, method: Method, path: string, options: CallOptions): Promise<HttpAnswer> {
    const headers: Record<string, string> = { authorization: `Bearer ${session.token}` };
    if (options.key) headers["idempotency-key"] = options.key;
    return this.sendRaw(method, path, options.body, headers);
  }

  private async sendRaw(method: Method, path: string, body: unknown, headers: Record<string, string>): Promise<HttpAnswer> {
    const answer = await this.parts.send({
      method,
      url: this.parts.address + path,
      headers: {
        ...this.ownHeaders(),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body,
      timeout_ms: this.parts.timeout_ms ?? 10_000,
    });
    this.parts.clock.note(answer.headers["date"]);
    return answer;
  }

  private ownHeaders(): Record<string, string> {
    return { accept: "application/json", "accept-language": this.parts.language() === "zh" ? "zh-CN" : "en" };
  }

  private remembered(): Session | null {
    const kept = this.parts.store.get("session");
    if (!kept) return null;
    try {
      return readSession(JSON.parse(kept));
    } catch {
      return null;
    }
  }
}

export { Problem, Unreadable };
