/** The frame of a page that is complete in one file: it loads nothing. */
import { version } from "../src/version.ts";
import { Html, html } from "./html.ts";

export interface DocumentParts {
  readonly title: string;
  readonly style: string;
  readonly navigation?: Html;
  readonly body: Html;
  readonly script?: Html;
}

export function htmlDocument({ title, style, navigation, body, script }: DocumentParts): string {
  // The policy forbids every request and every script but the page's own, should a value ever slip through.
  const scripts = script === undefined ? "" : "script-src 'nonce-report'; ";
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; ${new Html(scripts)}img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
${navigation}
<main>${body}
<footer>Written by Faultline ${version}. This file is complete: it loads nothing.</footer>
</main>
${script === undefined ? undefined : html`<script nonce="report">${script}</script>`}
</body>
</html>
`.text;
}
