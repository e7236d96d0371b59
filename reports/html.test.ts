import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { embedded, escapeHtml, Html, html, shortened, shown, visible } from "./html.ts";

const settings = { seed: 20, numRuns: 300 };
/** Strings with everything that has ever broken a page. */
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          "</script>",
          "<script>",
          "<!--",
          "]]>",
          "<img src=x onerror=alert(1)>",
          "\"'`=&",
          "&lt;",
          "\u0000",
          "\u001b[31m",
          "\u2028",
          "\u202e",
          "\ud800",
          "\udc00",
          "javascript:",
        ),
        fc.string(),
      ),
    )
    .map((parts) => parts.join("")),
);

describe("a template", () => {
  it("lets no value become markup", () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const { text } = html`<p title="${value}">${value}</p>`;
        const inner = text.slice('<p title="'.length, -"</p>".length);
        expect(inner.replace('">', "")).not.toMatch(/[<>"'`]/);
        expect(inner.replace(/&(?:amp|lt|gt|quot|#39|#96);/g, "")).not.toContain("&");
      }),
      settings,
    );
  });

  it("keeps plain text, and what is HTML already", () => {
    expect(html`<b>${"a & b"}</b>${[1, html`<i>${"x"}</i>`, undefined]}`.text).toBe(
      "<b>a &amp; b</b>1<i>x</i>",
    );
    expect(html`${new Html("<hr>")}`.text).toBe("<hr>");
  });
});

describe("text that cannot be seen", () => {
  it("is written as escapes", () => {
    expect(visible("a\u0000b\u202ec\u200bd")).toBe("a\\u0000b\\u202ec\\u200bd");
    expect(visible("\ud83d\ude00 x\ud83dy\udc00")).toBe("\ud83d\ude00 x\\ud83dy\\udc00");
  });

  it("keeps line feeds and tabs, and letters of all scripts", () => {
    const text = "eins\n\tzwei 三 четыре ٥";
    expect(visible(text)).toBe(text);
  });

  it("leaves none behind", () => {
    fc.assert(
      fc.property(hostile, (value) => {
        expect(escapeHtml(value).replace(/[\n\t]/g, "")).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
      settings,
    );
  });
});

describe("embedded data", () => {
  it("cannot end its element, and reads back unchanged", () => {
    fc.assert(
      fc.property(fc.array(hostile), (values) => {
        const { text } = embedded("data", values);
        const opening = '<script type="application/json" id="data">';
        expect(text.startsWith(opening) && text.endsWith("</script>")).toBe(true);
        const json = text.slice(opening.length, -"</script>".length);
        expect(json).not.toContain("<");
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(values)));
      }),
      settings,
    );
  });
});

it("shortens long values and says how long they were", () => {
  expect(shortened("abc", 3)).toBe("abc");
  expect(shortened("abcd", 3)).toBe("abc… (4 characters)");
  expect(shown({ a: "x".repeat(1_000_000) }, 10)).toBe('{"a":"xxxx… (1000008 characters)');
});
