const GAP = 6;

/** Tells what a square stands for when the pointer or the keyboard is on it. Without this the browser's own tooltip does. */
export function tellSquares(squares: HTMLElement): void {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  // The square's own name says the same.
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const show = (event: Event): void => {
    const { target } = event;
    if (target instanceof HTMLAnchorElement) place(tip, target);
  };
  const hide = (): void => {
    tip.hidden = true;
  };
  for (const name of ["pointerover", "focusin"]) squares.addEventListener(name, show);
  for (const name of ["pointerout", "focusout"]) squares.addEventListener(name, hide);
}

function place(tip: HTMLElement, square: HTMLAnchorElement): void {
  square.removeAttribute("title");
  tip.textContent = square.getAttribute("aria-label");
  tip.hidden = false;
  const at = square.getBoundingClientRect();
  const rightmost = document.documentElement.clientWidth - tip.offsetWidth - GAP;
  tip.style.left = `${Math.max(GAP, Math.min(at.left, rightmost))}px`;
  const below = at.bottom + GAP;
  const isRoom = below + tip.offsetHeight < document.documentElement.clientHeight;
  tip.style.top = `${isRoom ? below : at.top - GAP - tip.offsetHeight}px`;
}
