import type { Route } from "../../api.ts";
import { deviceLoginForm, deviceLoginPage } from "./device-login.ts";
import { oidcCallbackPage } from "./oidc-callback.ts";
import { signInForm } from "./sign-in.ts";

/** Pages about accounts, under /account. */
export const accountRoutes: readonly Route[] = [
  deviceLoginPage,
  deviceLoginForm,
  signInForm,
  oidcCallbackPage,
];
