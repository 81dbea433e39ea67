import type { ComponentChildren } from "preact";

export interface Column {
  readonly title: string;
  /** Figures stand right, what only wide screens have room for goes first. */
  readonly class?: "figure" | "wide" | "figure wide";
}

interface TableProps {
  caption: string;
  /** Whether the caption is for those alone who do not see the page. */
  captionIsUnseen?: boolean;
  columns: readonly Column[];
  children: ComponentChildren;
}

/** A table with a caption and the heads of its columns. Rows are given as children. */
export function Table({ caption, captionIsUnseen = false, columns, children }: TableProps) {
  return (
    <table>
      <caption class={captionIsUnseen ? "unseen" : undefined}>{caption}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.title} scope="col" class={column.class}>
              {column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}
