import type { ComponentChildren } from "preact";
import { useFrame, withToken } from "./frame.ts";

interface LinkProps {
  to: string;
  children: ComponentChildren;
  class?: string;
  title?: string;
  /** Marks the link to what is shown already. */
  current?: boolean;
  rel?: string;
}

/** A link to a page of this server. */
export function Link({ to, children, current, ...rest }: LinkProps) {
  const { token } = useFrame();
  return (
    <a
      href={withToken(to, token)}
      {...rest}
      {...(current === true ? { "aria-current": "page" } : {})}
    >
      {children}
    </a>
  );
}

/** A link to another server, or plain text where there is no address that a browser could open. */
export function OutsideLink({ to, children }: { to: string | null; children: ComponentChildren }) {
  if (to === null || !/^https?:\/\//.test(to)) return <>{children}</>;
  return (
    <a href={to} rel="noreferrer nofollow">
      {children}
    </a>
  );
}
