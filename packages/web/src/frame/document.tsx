import type { ComponentChildren } from "preact";
import { FrameContext, useFrame, withToken, type Crumb } from "./frame.ts";
import { Link } from "./link.tsx";
import type { Frame } from "../views/frame.ts";

interface DocumentProps {
  frame: Frame;
  title: string;
  crumbs: readonly Crumb[];
  /** What the search box holds. */
  query?: string;
  /** Address of the page's feed. */
  feed?: string | null;
  children: ComponentChildren;
}

/** The whole page: head, navigation, search, the way here, content, foot. */
export function Document({
  frame,
  title,
  crumbs,
  query = "",
  feed = null,
  children,
}: DocumentProps) {
  return (
    <FrameContext.Provider value={frame}>
      <html lang="en" data-now={frame.now}>
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>{`${title} · Gradient`}</title>
          <link rel="icon" href={frame.assets.icon} type="image/svg+xml" />
          <link rel="stylesheet" href={frame.assets.style} />
          {feed === null ? null : (
            <link rel="alternate" type="application/rss+xml" href={withToken(feed, frame.token)} />
          )}
          <script type="module" src={frame.assets.script}></script>
        </head>
        <body>
          <a class="skip" href="#content">
            Skip to content
          </a>
          <Header query={query} />
          <Crumbs crumbs={crumbs} />
          <main id="content" tabIndex={-1}>
            {children}
          </main>
          <Footer />
        </body>
      </html>
    </FrameContext.Provider>
  );
}

const PLACES = [
  { to: "/", text: "Projects" },
  { to: "/status", text: "Running" },
  { to: "/workers", text: "Workers" },
  { to: "/status/metrics", text: "Metrics" },
];

function Header({ query }: { query: string }) {
  const { path, token } = useFrame();
  const place = path.split("?", 1)[0];
  return (
    <header class="top">
      <Link to="/" class="mark">
        <Mark />
        Gradient
      </Link>
      <nav aria-label="Main">
        {PLACES.map(({ to, text }) => (
          <Link key={to} to={to} current={to === place}>
            {text}
          </Link>
        ))}
      </nav>
      <search>
        <form action="/search" data-search>
          <label for="query" class="unseen">
            Search builds
          </label>
          <input
            id="query"
            name="query"
            type="search"
            value={query}
            placeholder="Search builds"
            autocomplete="off"
            spellcheck={false}
          />
          {token === null ? null : <input type="hidden" name="token" value={token} />}
          <button>Search</button>
        </form>
      </search>
      <Account />
    </header>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <rect class="mark-1" x="0" y="0" width="7" height="7" rx="1.5" />
      <rect class="mark-2" x="9" y="0" width="7" height="7" rx="1.5" />
      <rect class="mark-3" x="0" y="9" width="7" height="7" rx="1.5" />
      <rect class="mark-4" x="9" y="9" width="7" height="7" rx="1.5" />
    </svg>
  );
}

function Account() {
  const { user, path } = useFrame();
  if (user !== null) {
    return (
      <a class="account" href="/account/sign-out" title="Sign out">
        {user}
      </a>
    );
  }
  return (
    <a class="account" href={`/account/sign-in?next=${encodeURIComponent(path)}`} rel="nofollow">
      Sign in
    </a>
  );
}

function Crumbs({ crumbs }: { crumbs: readonly Crumb[] }) {
  if (crumbs.length === 0) return null;
  return (
    <nav class="crumbs" aria-label="Breadcrumb">
      <ol>
        {crumbs.map(({ text, to }) => (
          <li key={text}>
            {to === null ? <span aria-current="page">{text}</span> : <Link to={to}>{text}</Link>}
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Footer() {
  const { version } = useFrame();
  return (
    <footer>
      <span>Gradient {version}</span>
      <a href="/api/docs">API</a>
    </footer>
  );
}
