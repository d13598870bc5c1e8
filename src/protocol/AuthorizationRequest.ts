/**
 * The address that a browser is sent to for a login, and what comes back with it (RFC 6749 §4.1), as pure data.
 *
 * `AuthorizationCode` is the provider, with `start` and `exchangeCode` for web servers. You need this module only to build a login of your own:
 * randomness, hashing and the browser are yours then.
 *
 * @example
 * ```ts
 * import * as AuthorizationRequest from "effect-credentials/AuthorizationRequest"
 * import { Either, Redacted } from "effect"
 *
 * const url = AuthorizationRequest.url({
 *   authorizationEndpoint: "https://id.example.com/authorize",
 *   clientId: "my-tool",
 *   redirectUri: "http://127.0.0.1:53000/",
 *   state: Redacted.make("af0ifjsldkj"),
 *   challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
 *   scope: ["openid", "read"]
 * })
 * console.log(new URL(Either.getOrThrow(url)).searchParams.get("scope"))
 * // openid read
 * ```
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidOption, type RefreshErrorReason } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"
import * as Url from "../internal/url.ts"
import * as Grant from "./Grant.ts"
import * as TokenResponse from "./TokenResponse.ts"

/**
 * What is asked of the authorization server, and how it asks the person.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wishes {
  /** What the token should allow, one element per scope. With `openid` the login is checked by a nonce as well. Default: whatever the server gives. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** Whom the token is for, in the server's own words (Auth0, Azure, Cognite). Default: not sent. */
  readonly audience?: string | ReadonlyArray<string> | undefined
  /** The URL of the API the token is for, or several (RFC 8707). Default: not sent. */
  readonly resource?: string | ReadonlyArray<string> | undefined
  /**
   * What the person must be asked (OpenID Connect Core §3.1.2.1): `"login"`, `"consent"`, `"select_account"`, several of them, or `"none"` for
   * nothing at all. Default: the server decides.
   */
  readonly prompt?: string | ReadonlyArray<string> | undefined
  /** Who will probably log in: a mail address or user name, to fill in the form. Default: not sent. */
  readonly loginHint?: string | undefined
  /** More parameters that a server wants, such as `access_type`. Those that have an option, or that the login sets, are refused. Default: none. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/**
 * Everything that goes into the address.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Wishes {
  /** The server's authorization endpoint: https, or http on this machine. A query of its own stays. */
  readonly authorizationEndpoint: string
  /** The client's identifier. */
  readonly clientId: string
  /** Where the browser is sent afterwards: an absolute URL without fragment, sent as it is written. */
  readonly redirectUri: string
  /** What must come back: at least 128 random bits, used for one login. */
  readonly state: Redacted.Redacted
  /** The PKCE challenge (RFC 7636 §4.2): the SHA-256 of the verifier, 43 characters of base64url. The method is always `S256`. */
  readonly challenge: string
  /** What the ID token must repeat (OpenID Connect Core §3.1.2.1). Default: not sent. */
  readonly nonce?: Redacted.Redacted | undefined
  /** The thumbprint of the key that code and token will be bound to (RFC 9449 §10). Default: not sent. */
  readonly keyThumbprint?: string | undefined
}

/** What `parameters` may not set: a second value would make the request mean something else. `Grant.check` refuses the token endpoint's. */
const reserved: ReadonlySet<string> = new Set([
  "dpop_jkt",
  "id_token_hint",
  "login_hint",
  "nonce",
  "prompt",
  "request",
  "request_uri",
  "response_mode",
  "response_type"
])

/** What the login itself sets: an endpoint that has one of these in its query would send it twice (RFC 6749 §3.1). */
const ours: ReadonlySet<string> = new Set([
  ...["response_type", "response_mode", "client_id", "redirect_uri", "state", "nonce", "scope"],
  ...["code_challenge", "code_challenge_method", "request", "request_uri"]
])

const list = (values: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (typeof values === "string" ? [values] : (values ?? [])).filter((value) => !Text.isBlank(value))

/**
 * What is wrong with what is asked for, if anything: providers fail with it while their layer is built.
 *
 * @example
 * ```ts
 * import * as AuthorizationRequest from "effect-credentials/AuthorizationRequest"
 * import { Option } from "effect"
 *
 * const problem = AuthorizationRequest.check("AuthorizationCode", { parameters: { response_type: "token" } })
 * console.log(Option.getOrThrow(problem).message)
 * // AuthorizationCode: option parameters must be without response_type: it has an option of its own or is set by the login
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (provider: string, wishes: Wishes): Option.Option<InvalidOption> => {
  const problem = (option: string, expected: string) => Option.some(new InvalidOption({ provider, option, expected }))
  const general = Grant.check(provider, wishes)
  if (Option.isSome(general)) return general
  const prompts = list(wishes.prompt)
  if (!prompts.every(Text.isWord) || (prompts.includes("none") && prompts.length > 1)) {
    return problem("prompt", `words without spaces, and "none" alone`)
  }
  if (!Text.isPlain(wishes.loginHint ?? "")) return problem("loginHint", "text without line breaks or other controls")
  for (const [name, value] of Object.entries(wishes.parameters ?? {})) {
    if (reserved.has(name)) {
      return problem("parameters", `without ${name}: it has an option of its own or is set by the login`)
    }
    if (!Text.isPlain(value)) return problem("parameters", `without line breaks or other controls in ${name}`)
  }
  return Option.none()
}

/**
 * The address that a browser is sent to, or which option makes that impossible.
 *
 * **Details** – `response_type=code` and PKCE with `S256`, always. The parameters follow the endpoint's own query in a fixed order: `response_type`, `client_id`,
 * `redirect_uri`, `scope`, `state`, `nonce`, `code_challenge`, `code_challenge_method`, `prompt`, `login_hint`, `dpop_jkt`, `audience`, `resource`, then `parameters` as they were given. A
 * space is `%20`, which every server reads; `+` some do not. What is blank is left out.
 *
 * @example
 * ```ts
 * import * as AuthorizationRequest from "effect-credentials/AuthorizationRequest"
 * import { Either, Redacted } from "effect"
 *
 * const url = AuthorizationRequest.url({
 *   authorizationEndpoint: "http://id.example.com/authorize",
 *   clientId: "my-tool",
 *   redirectUri: "http://127.0.0.1:53000/",
 *   state: Redacted.make("af0ifjsldkj"),
 *   challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
 * })
 * console.log(Either.isLeft(url) && url.left.option)
 * // authorizationEndpoint
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1>
 * @category constructors
 * @since 0.1.0
 */
export const url = (options: Options): Either.Either<string, InvalidOption> => {
  const problem = (option: string, expected: string) =>
    Either.left(new InvalidOption({ provider: "AuthorizationRequest", option, expected }))
  const { authorizationEndpoint, challenge, clientId, redirectUri } = options
  const endpoint = Url.endpoint(authorizationEndpoint)
  if (endpoint === undefined) return problem("authorizationEndpoint", Url.expected)
  const twice = Array.from(endpoint.searchParams.keys()).find((name) => ours.has(name))
  if (twice !== undefined) return problem("authorizationEndpoint", `without ${twice} in its query: the login sets it`)
  if (Text.isBlank(clientId) || !Text.isPlain(clientId)) {
    return problem("clientId", "text that is not blank and has no line breaks or other controls")
  }
  if (!URL.canParse(redirectUri) || !/^[\x21-\x7e]+$/.test(redirectUri) || redirectUri.includes("#")) {
    return problem("redirectUri", "an absolute URL in ASCII, without spaces and fragment")
  }
  const state = Redacted.value(options.state)
  if (!Text.isVisible(state) || state.length < 8) return problem("state", "random visible ASCII characters")
  const nonce = options.nonce === undefined ? "" : Redacted.value(options.nonce)
  if (!Text.isPlain(nonce)) return problem("nonce", "random visible ASCII characters")
  if (!/^[\w-]{43}$/.test(challenge)) return problem("challenge", "a SHA-256 in base64url, 43 characters")
  const wrong = check("AuthorizationRequest", options)
  if (Option.isSome(wrong)) return Either.left(wrong.value)

  const params: ReadonlyArray<readonly [string, string]> = [
    ["response_type", "code"],
    ["client_id", clientId],
    ["redirect_uri", redirectUri],
    ["scope", list(options.scope).join(" ")],
    ["state", state],
    ["nonce", nonce],
    ["code_challenge", challenge],
    ["code_challenge_method", "S256"],
    ["prompt", list(options.prompt).join(" ")],
    ["login_hint", options.loginHint ?? ""],
    ["dpop_jkt", options.keyThumbprint ?? ""],
    ...list(options.audience).map((audience) => ["audience", audience] as const),
    ...list(options.resource).map((resource) => ["resource", resource] as const),
    ...Object.entries(options.parameters ?? {})
  ]
  return Either.right(
    appended(
      endpoint,
      params.filter(([, value]) => !Text.isBlank(value))
    )
  )
}

/**
 * What of an address can be left at the server beforehand, and the address that remains (RFC 9126). State and nonce stay secret.
 *
 * @example
 * ```ts
 * import * as AuthorizationRequest from "effect-credentials/AuthorizationRequest"
 *
 * const url = "https://id.example.com/authorize?response_type=code&client_id=my-tool&prompt=login"
 * const pushed = AuthorizationRequest.pushed(url, "https://id.example.com/authorize")
 * console.log(pushed.params)
 * // [ [ 'response_type', 'code' ], [ 'prompt', 'login' ] ]
 * console.log(pushed.url("urn:example:1"))
 * // https://id.example.com/authorize?client_id=my-tool&request_uri=urn%3Aexample%3A1
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc9126#section-4>
 * @category constructors
 * @since 0.1.0
 */
export const pushed = (
  url: string,
  authorizationEndpoint: string
): {
  /** What is left at the server, but for the client's identifier. */
  readonly params: ReadonlyArray<Grant.Param>
  /** What the browser is sent to, once the server has said how it calls what was left. */
  readonly url: (requestUri: string) => string
} => {
  const endpoint = new URL(authorizationEndpoint)
  const params = Array.from(new URL(url).searchParams).slice(Array.from(endpoint.searchParams).length)
  return {
    params: params
      .filter(([name]) => name !== "client_id")
      .map(([name, value]) => [name, name === "state" || name === "nonce" ? Redacted.make(value) : value]),
    url: (requestUri) =>
      appended(endpoint, [...params.filter(([name]) => name === "client_id"), ["request_uri", requestUri]])
  }
}

/**
 * How the server calls what was left, and for how long it remembers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pushed {
  /** What stands for the parameters, once. */
  readonly requestUri: string
  /** For how long the address with it can be opened. */
  readonly expiresIn: Duration.Duration
}

/**
 * How the server calls what was left (RFC 9126 §2.2), or why it refused. An `expires_in` that is missing or unusable counts as a minute.
 *
 * @example
 * ```ts
 * import * as AuthorizationRequest from "effect-credentials/AuthorizationRequest"
 * import { Duration, Either } from "effect"
 *
 * const answer = { status: 201, headers: {}, body: `{"request_uri":"urn:example:1","expires_in":90}` }
 * const { expiresIn, requestUri } = Either.getOrThrow(AuthorizationRequest.decodePushed(answer))
 * console.log(requestUri, Duration.toSeconds(expiresIn))
 * // urn:example:1 90
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodePushed = (answer: TokenResponse.Answer): Either.Either<Pushed, RefreshErrorReason> =>
  Either.flatMap(TokenResponse.members(answer), (members): Either.Either<Pushed, RefreshErrorReason> => {
    const requestUri = Json.member(members, "request_uri")
    const seconds = Json.member(members, "expires_in")
    return typeof requestUri === "string" && requestUri.length <= 4_096 && /^[\x21-\x7e]+$/.test(requestUri)
      ? Either.right({
          requestUri,
          expiresIn: Duration.seconds(typeof seconds === "number" && seconds >= 1 ? Math.min(seconds, 86_400) : 60)
        })
      : Either.left({ _tag: "InvalidResponse", description: "request_uri is missing", status: answer.status })
  })

const appended = (endpoint: URL, params: ReadonlyArray<readonly [string, string]>): string => {
  const query = params.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&")
  return `${endpoint.href}${endpoint.search === "" ? (endpoint.href.endsWith("?") ? "" : "?") : "&"}${query}`
}

/**
 * What came back from the browser.
 *
 * | answer | is | the login |
 * | --- | --- | --- |
 * | `Code` | what the token endpoint takes | goes on |
 * | `Failed` | the server's answer to this login, and it is no code | ends |
 * | `Stray` | not the answer to this login, whoever sent it | waits on |
 *
 * @category models
 * @since 0.1.0
 */
export type Answer =
  | { readonly _tag: "Code"; readonly code: Redacted.Redacted }
  | { readonly _tag: "Failed"; readonly reason: RefreshErrorReason }
  | { readonly _tag: "Stray"; readonly description: string }

/** An answer with more than this is none: servers and proxies cut there as well. */
const longest = 8_192

/**
 * What the browser brought back: the whole URL, or its query. Never throws, whatever it is given.
 *
 * **Details** – without exactly the `state` of this login nothing else is looked at. `iss` (RFC 9207) must be the issuer's, if both are known, and must be there if
 * `isIssuerSent`; `error` wins over `code`; `access_denied` is `Interaction` (denied), `login_required` and its like are `ReauthenticationRequired`, `server_error` and
 * `temporarily_unavailable` are `Unavailable`. Tokens in the answer are ignored: they are never asked for. Over 8,192 characters it is a stray.
 *
 * @example
 * ```ts
 * import * as AuthorizationRequest from "effect-credentials/AuthorizationRequest"
 * import { Option, Redacted } from "effect"
 *
 * const expected = { state: Redacted.make("af0ifjsldkj"), issuer: Option.none() }
 * console.log(AuthorizationRequest.decode("/callback?code=SplxlOBe&state=af0ifjsldkj", expected)._tag)
 * // Code
 * console.log(AuthorizationRequest.decode("/callback?code=SplxlOBe&state=guessed", expected)._tag)
 * // Stray
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>
 * @see <https://www.rfc-editor.org/rfc/rfc9207#section-2.4>
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  callback: string,
  expected: {
    /** The state of this login. */
    readonly state: Redacted.Redacted
    /** Who the server is. None: not known, `iss` is not looked at. */
    readonly issuer: Option.Option<string>
    /** Whether the server says that it always sends `iss`. Default: false. */
    readonly isIssuerSent?: boolean | undefined
  }
): Answer => {
  const stray = (description: string): Answer => ({ _tag: "Stray", description })
  const failed = (reason: RefreshErrorReason): Answer => ({ _tag: "Failed", reason })
  const unusable = (description: string): Answer => failed({ _tag: "InvalidResponse", description })
  if (callback.length > longest) return stray("it is too long")
  const [address = "", fragment = ""] = callback.trim().split("#", 2)
  const params = new URLSearchParams(address.slice(address.indexOf("?") + 1))
  const [state, ...others] = params.getAll("state")
  if (state === undefined && /(^|[?&])state=/.test(fragment)) return stray("the answer is in the fragment")
  if (state === undefined || others.length > 0 || !Text.isSame(state, Redacted.value(expected.state))) {
    return stray("its state is not that of this login")
  }

  const [issuer, ...issuers] = params.getAll("iss")
  if (issuer === undefined ? expected.isIssuerSent === true : issuers.length > 0) {
    return unusable("it does not say which authorization server it is from (iss)")
  }
  if (issuer !== undefined && Option.isSome(expected.issuer) && issuer !== expected.issuer.value) {
    return unusable("it is from another authorization server than was asked (iss)")
  }

  const [error] = params.getAll("error")
  if (error !== undefined) {
    const said = Text.printable(params.get("error_description") ?? "", 300)
    return failed(
      reasonOf(Text.isWord(error) ? error.slice(0, 100) : "an unreadable error", said === "" ? undefined : said)
    )
  }
  const [code, ...codes] = params.getAll("code")
  if (code === undefined || code === "") {
    return unusable(
      params.has("access_token") || params.has("id_token")
        ? "it holds tokens, which were not asked for, and no code"
        : "it holds neither a code nor an error"
    )
  }
  if (codes.length > 0) return unusable("it holds more than one code")
  return Text.isVisible(code)
    ? { _tag: "Code", code: Redacted.make(code) }
    : unusable("its code has characters that none can have")
}

/** RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6. */
const reasonOf = (code: string, description: string | undefined): RefreshErrorReason => {
  switch (code) {
    case "access_denied":
      return { _tag: "Interaction", kind: "Denied", description }
    case "login_required":
    case "interaction_required":
    case "consent_required":
    case "account_selection_required":
      return { _tag: "ReauthenticationRequired", subtype: code, description }
    case "temporarily_unavailable":
      return { _tag: "Unavailable", status: 503 }
    case "server_error":
      return { _tag: "Unavailable", status: 500 }
    default:
      // The answer is a redirect.
      return { _tag: "Rejected", code, description, status: 302 }
  }
}
