/**
 * HTML in which every value is escaped. What a report shows comes from a system that misbehaves, or from a file that
 * somebody sent: no value may become markup, script, or text that hides what it is.
 */

/** Text that is already HTML. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = string | number | Html | undefined | readonly Content[];

/** A template whose values are escaped unless they are `Html`; lists are joined, `undefined` gives nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  let text = strings[0] as string;
  for (let i = 0; i < values.length; i++) text += render(values[i]) + (strings[i + 1] as string);
  return new Html(text);
}

function render(content: Content): string {
  if (content === undefined) return "";
  if (content instanceof Html) return content.text;
  if (typeof content === "string") return escapeHtml(content);
  if (typeof content === "number") return String(content);
  return content.map(render).join("");
}

const ENTITIES: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;",
};

/** For element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"'`]/g, (character) => ENTITIES[character] as string);
}

/** Control and format characters but tab and line feed, lone surrogates, odd line ends, marks that reverse text. */
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Writes what cannot be seen as an escape, such as \u202e. */
export function visible(text: string): string {
  return text.replace(UNSEEN, escaped);
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, "0")}`;
}

/** A value as JSON, cut to about `limit` characters with its full length named. */
export function shown(value: unknown, limit = 200): string {
  return shortened(typeof value === "string" ? value : (JSON.stringify(value) ?? ""), limit);
}

export function shortened(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length} characters)`;
}

/** A block of data for a script: no value in it can end the element. */
export function embedded(id: string, value: unknown): Html {
  const json = JSON.stringify(value).replace(/[<\u2028\u2029]/g, escaped);
  return new Html(`<script type="application/json" id="${escapeHtml(id)}">${json}</script>`);
}
