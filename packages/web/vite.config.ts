import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const source = (name: string): string => fileURLToPath(new URL(`src/${name}`, import.meta.url));

/** What browsers load: each file's name has the hash of its content, and `manifest.json` says which is which. */
export default defineConfig({
  base: "/static/",
  publicDir: false,
  build: {
    outDir: "dist/static",
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    modulePreload: false,
    target: ["chrome109", "firefox115", "safari16"],
    rolldownOptions: {
      input: {
        script: source("browser/main.ts"),
        style: source("style/main.css"),
        icon: source("style/icon.svg"),
      },
    },
  },
});
