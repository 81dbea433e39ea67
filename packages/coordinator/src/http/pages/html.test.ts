import { expect, test } from "vitest";
import { html } from "./html.ts";

test("what is put into a page is text, also in attributes", () => {
  const evil = `"><script>alert('&')</script>`;
  expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
    '<p title="&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;">&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</p>',
  );
});

test("parts of pages stay what they are, and nothing is nothing", () => {
  expect(html`<p>${html`<b>${1}</b>`}${null}</p>`.text).toBe("<p><b>1</b></p>");
});
