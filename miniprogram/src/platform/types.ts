// What the rest of the client may know of the phone that it runs on; only this folder knows how it is done.

export type PlatformName = "h5" | "wechat" | "alipay";

export interface HttpRequest {
  /** Neither wx.request nor my.request knows PATCH, so there is none here. */
  method: "GET" | "POST" | "PUT" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body?: unknown;
  timeout_ms: number;
}

export interface HttpAnswer {
  status: number;
  /** Parsed JSON, or the text where it is none. */
  body: unknown;
  /** Names in lower case. */
  headers: Record<string, string>;
}

/** No answer came: no network, no server, or not in time. Never thrown for an answer, whatever its status. */
export class NoNetwork extends Error {
  constructor(why: string) {
    super(why);
    this.name = "NoNetwork";
  }
}

export type Send = (request: HttpRequest) => Promise<HttpAnswer>;

/** A picture of the player's, as the platform names it until the app is closed. */
export interface PickedPicture {
  path: string;
}

export interface UploadRequest {
  url: string;
  headers: Record<string, string>;
  /** Sent as the form's part `picture`. */
  picture: PickedPicture;
  texts: Record<string, string>;
  timeout_ms: number;
}

export type Upload = (request: UploadRequest) => Promise<HttpAnswer>;

/** A few hundred short texts that outlive the app. Setting may fail where the phone is full; nothing else throws. */
export interface Store {
  get(key: string): string | null;
  set(key: string, value: string): boolean;
  remove(key: string): void;
  keys(): string[];
}

/** What `POST /v1/sessions` wants of this platform. */
export interface LogInCode {
  platform: "alipay" | "wechat" | "guest";
  code: string;
}

export interface ScreenFacts {
  width_px: number;
  pixel_ratio: number;
  dark: boolean;
  less_motion: boolean;
  language: string;
}
