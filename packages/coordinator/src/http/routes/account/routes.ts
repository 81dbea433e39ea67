import type { Route } from "../../api.ts";
import { deviceLoginForm, deviceLoginPage } from "./device-login.ts";
import { oidcCallbackPage } from "./oidc-callback.ts";
import { signInForm, signInPage } from "./sign-in.ts";
import { signOutForm, signOutPage } from "./sign-out.ts";

/** Pages about accounts, under /account. */
export const accountRoutes: readonly Route[] = [
  deviceLoginPage,
  deviceLoginForm,
  signInPage,
  signInForm,
  signOutPage,
  signOutForm,
  oidcCallbackPage,
];
