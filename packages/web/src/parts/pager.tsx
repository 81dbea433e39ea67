import { Link } from "../frame/link.tsx";
import type { Pages } from "../views/pages.ts";

/** Ways to the neighbouring pages of a list; nothing when there is one page. */
export function Pager({
  pages,
  words = ["Newer", "Older"],
}: {
  pages: Pages;
  words?: [string, string];
}) {
  const { newer, older } = pages;
  if (newer === null && older === null) return null;
  const [back, on] = words;
  return (
    <nav class="pager" aria-label="Pages">
      {newer === null ? null : (
        <Link to={newer} rel="prev">
          ← {back}
        </Link>
      )}
      {older === null ? null : (
        <Link to={older} rel="next">
          {on} →
        </Link>
      )}
    </nav>
  );
}
