/**
 * What the browser shows when a login is over: one plain page, in light and dark, that loads nothing and runs nothing.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"

export interface Page {
  readonly isGood: boolean
  readonly title: string
  readonly text: string
}

const style = `
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#16181d;--soft:#5b616e;--line:#e3e5ea;--good:#12855b;--bad:#c0392f}
@media (prefers-color-scheme:dark){:root{--back:#111317;--card:#1b1e24;--text:#eceef2;--soft:#a0a7b4;--line:#2b2f38;--good:#3ecf97;--bad:#ff7a6e}}
*{box-sizing:border-box;margin:0}
body{min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--back);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:27rem;padding:44px 36px 40px;text-align:center;background:var(--card);border:1px solid var(--line);border-radius:16px}
svg{width:60px;height:60px;margin-bottom:22px;fill:none;stroke-width:2.5;stroke-linecap:round;stroke-linejoin:round}
.good{stroke:var(--good)}.bad{stroke:var(--bad)}
circle{opacity:.25}
h1{margin-bottom:10px;font-size:1.4rem;font-weight:600;line-height:1.3;letter-spacing:-.01em}
p{color:var(--soft);overflow-wrap:anywhere;text-wrap:balance}
p::first-letter{text-transform:uppercase}
`

const sign = (isGood: boolean): string =>
  `<svg class="${isGood ? "good" : "bad"}" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="22"/><path d="${
    isGood ? "M15 25l6.5 6.5L34 18" : "M17 17l14 14M31 17L17 31"
  }"/></svg>`

/** Somebody else's text as text, in an element or an attribute. */
export const escape = (text: string): string =>
  text.replace(/[&<>"'`\u2028\u2029]/g, (char) => `&#${char.charCodeAt(0)};`)

export const html = ({ isGood, text, title }: Page): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
${sign(isGood)}
<h1>${escape(title)}</h1>
<p>${escape(text)}</p>
</main>
</body>
</html>
`

/** The headers that let this page have its style, and nothing else. */
export const headers: Effect.Effect<Readonly<Record<string, string>>> = Effect.map(
  Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(style))),
  (hash) => ({
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; style-src 'sha256-${Encoding.encodeBase64(
      new Uint8Array(hash)
    )}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
  })
)
