/**
 * A request to the token endpoint, before anyone sends it.
 *
 * Client authentication is a function on these: it adds what proves who the client is. You need this module to write a
 * `ClientAuthentication` of your own.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 *
 * const request = TokenRequest.fromGrant(Grant.clientCredentials({ scope: ["read"] }))
 * console.log(TokenRequest.encode(request, "form").body)
 * // grant_type=client_credentials&scope=read
 * ```
 *
 * @module
 */
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type { Grant, Param } from "./Grant.ts"

/**
 * A request to the token endpoint, before anyone sends it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenRequest {
  /** Headers, their names in lower case. */
  readonly headers: ReadonlyArray<Param>
  /** What goes in the body. */
  readonly params: ReadonlyArray<Param>
  /** Which of them are arrays in JSON, also with a single value. Default: those that are repeated. */
  readonly lists?: ReadonlyArray<string> | undefined
  /** Every secret in it, in the form in which somebody would recognize it: what an answer may not be quoted with. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
}

const secretsOf = (params: ReadonlyArray<Param>) =>
  params.flatMap(([, value]) => (Redacted.isRedacted(value) ? [value] : []))

/**
 * A request with these parameters.
 *
 * @example
 * ```ts
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 *
 * console.log(TokenRequest.make([["token", "s3cret"]]).params)
 * // [ [ 'token', 's3cret' ] ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (params: ReadonlyArray<Param>): TokenRequest => ({
  headers: [["accept", "application/json"]],
  params,
  secrets: secretsOf(params)
})

/**
 * The request that offers a grant.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 *
 * console.log(TokenRequest.fromGrant(Grant.clientCredentials()).params)
 * // [ [ 'grant_type', 'client_credentials' ] ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromGrant = (grant: Grant): TokenRequest => make([["grant_type", grant.type], ...grant.params])

/**
 * The same request with one parameter more.
 *
 * @example
 * ```ts
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 *
 * console.log(TokenRequest.withParam(TokenRequest.make([]), "client_id", "me").params)
 * // [ [ 'client_id', 'me' ] ]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withParam = (self: TokenRequest, name: string, value: string | Redacted.Redacted): TokenRequest => ({
  ...self,
  params: [...self.params, [name, value]],
  secrets: [...self.secrets, ...secretsOf([[name, value]])]
})

/**
 * The same request with HTTP Basic authentication (RFC 6749 §2.3.1).
 *
 * **Details** – the specification wants id and secret form-encoded first, so that a colon or a letter beyond ASCII survives. `raw` leaves that out, for servers
 * that never decode; both are UTF-8.
 *
 * @example
 * ```ts
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 * import { Redacted } from "effect"
 *
 * const request = TokenRequest.withBasic(TokenRequest.make([]), "me", Redacted.make("a b"))
 * console.log(request.headers.map(([name, value]) => `${name}: ${value}`))
 * // [ 'accept: application/json', 'authorization: <redacted>' ]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withBasic = (
  self: TokenRequest,
  clientId: string,
  secret: Redacted.Redacted,
  options?: {
    /** Send id and secret as they are, for servers that do not decode. Default: false. */
    readonly raw?: boolean | undefined
  }
): TokenRequest => {
  const encoded = options?.raw === true ? (text: string) => text : formEncoded
  const basic = Encoding.encodeBase64(`${encoded(clientId)}:${encoded(Redacted.value(secret))}`)
  return {
    ...self,
    headers: [...self.headers, ["authorization", Redacted.make(`Basic ${basic}`)]],
    secrets: [...self.secrets, secret, Redacted.make(basic)]
  }
}

const formEncoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)

const reveal = ([name, value]: Param): [string, string] => [
  name,
  Redacted.isRedacted(value) ? Redacted.value(value) : value
]

/**
 * The request in the clear, for the wire only.
 *
 * **Details** – `form` is what every server understands (RFC 6749 appendix B); some want `json`, where a repeated parameter becomes an array.
 *
 * @example
 * ```ts
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 *
 * console.log(TokenRequest.encode(TokenRequest.make([["scope", "a b"]]), "json").body)
 * // {"scope":"a b"}
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (
  self: TokenRequest,
  body: "form" | "json"
): { readonly headers: Readonly<Record<string, string>>; readonly contentType: string; readonly body: string } => {
  const params = self.params.map(reveal)
  const headers = Object.fromEntries(self.headers.map(reveal))
  if (body === "form") {
    return { headers, contentType: "application/x-www-form-urlencoded", body: new URLSearchParams(params).toString() }
  }
  const members = new Map<string, string | Array<string>>()
  for (const [name, value] of params) {
    const known = members.get(name)
    members.set(name, known !== undefined ? [known, value].flat() : self.lists?.includes(name) ? [value] : value)
  }
  return { headers, contentType: "application/json", body: JSON.stringify(Object.fromEntries(members)) }
}

/**
 * Whether a text holds a secret of the request, or the beginning of one, plain or in one of the usual encodings. Servers have been seen
 * to quote a whole request in their error description; such a text is not repeated.
 *
 * @example
 * ```ts
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 * import { Redacted } from "effect"
 *
 * const request = TokenRequest.make([["code", Redacted.make("s3cret")]])
 * console.log(TokenRequest.isEchoed(request, "unknown code s3cret"))
 * // true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isEchoed = (self: TokenRequest, text: string): boolean => {
  const squeezed = squeeze(text)
  return self.secrets.some((redacted) => {
    const secret = Redacted.value(redacted).slice(0, 64)
    const form = formEncoded(secret)
    const forms = [
      secret,
      form,
      form.replaceAll("+", "%20"),
      Encoding.encodeBase64(secret),
      Encoding.encodeBase64Url(secret)
    ]
    // What is shorter than four characters is no secret, and in every other word.
    return squeeze(secret).length >= 4 && forms.some((form) => squeezed.includes(squeeze(form).slice(0, 10)))
  })
}

const squeeze = (text: string): string => text.replace(/\s/g, "")
