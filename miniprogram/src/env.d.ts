/// <reference types="vite/client" />
/// <reference types="@dcloudio/types" />

interface ImportMetaEnv {
  /** Where mini-programs find the service, e.g. https://play.example.com; empty on the web. */
  readonly VITE_SERVICE?: string;
}

interface ImportMeta {
  readonly env: ImportMetaEnv;
}

declare module "*.vue" {
  import type { DefineComponent } from "vue";
  const component: DefineComponent<object, object, unknown>;
  export default component;
}

// the part of Alipay's own object that the platform folder uses
declare const my: {
  getAuthCode(options: {
    scopes: string;
    success: (answer: { authCode: string }) => void;
    fail: (problem: { errorMessage?: string }) => void;
  }): void;
  uploadFile(options: Record<string, unknown>): void;
};
