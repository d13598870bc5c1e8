/**
 * What a client offers the token endpoint: pure data, one constructor per grant type.
 *
 * Providers make these and `TokenEndpoint.exchange` trades them. Reach for {@link make} when a server has a grant type that no provider here knows.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 *
 * console.log(Grant.clientCredentials({ scope: ["read", "write"] }).params)
 * // [ [ 'scope', 'read write' ] ]
 * ```
 *
 * @module
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidOption } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Text from "../internal/text.ts"

/**
 * One parameter of a request. A secret value is redacted until it goes on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export type Param = readonly [name: string, value: string | Redacted.Redacted]

/**
 * What a client offers the token endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export interface Grant {
  /** The `grant_type`. */
  readonly type: string
  /** Everything else, in order. */
  readonly params: ReadonlyArray<Param>
  /**
   * Whether offering it spends it: an authorization code, a device code, a refresh token that may rotate. Such a grant is never
   * sent again after an attempt whose answer was lost.
   */
  readonly oneTime: boolean
}

/**
 * What a token is wanted for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  /** What the token should allow, one element per scope. Default: whatever the server gives. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** Whom the token is for, in the server's own words (Auth0, Azure, Cognite). Default: not sent. */
  readonly audience?: string | ReadonlyArray<string> | undefined
  /** The URL of the API the token is for, or several (RFC 8707). Default: not sent. */
  readonly resource?: string | ReadonlyArray<string> | undefined
  /** More parameters that a server wants. Those that have an option, or say who the client is, are refused. Default: none. */
  readonly parameters?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
}

/** Offering one of these spends it. */
const oneTimeTypes: ReadonlySet<string> = new Set([
  "authorization_code",
  "refresh_token",
  "urn:ietf:params:oauth:grant-type:device_code"
])

/** What `parameters` may not set: a second value would make the request mean something else. */
const reserved: ReadonlySet<string> = new Set([
  "actor_token",
  "actor_token_type",
  "assertion",
  "audience",
  "client_assertion",
  "client_assertion_type",
  "client_id",
  "client_secret",
  "code",
  "code_challenge",
  "code_challenge_method",
  "code_verifier",
  "device_code",
  "grant_type",
  "password",
  "redirect_uri",
  "refresh_token",
  "requested_token_type",
  "resource",
  "scope",
  "state",
  "subject_token",
  "subject_token_type",
  "username"
])

const list = (values: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (typeof values === "string" ? [values] : (values ?? [])).filter((value) => !Text.isBlank(value))

const reveal = (value: string | Redacted.Redacted): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

/**
 * A grant of any type. Parameters without a value are left out, as RFC 6749 §3.2 reads them anyway.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import { Redacted } from "effect"
 *
 * const grant = Grant.make("urn:example:badge", { badge: Redacted.make("s3cret") }, { scope: ["enter"] })
 * console.log(grant.oneTime, grant.params.map(([name]) => name))
 * // false [ 'badge', 'scope' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  type: string,
  params: Readonly<Record<string, string | Redacted.Redacted | undefined>>,
  target: Target & {
    /** Whether offering it spends it. Default: true for codes and refresh tokens. */
    readonly oneTime?: boolean | undefined
  } = {}
): Grant => {
  const options = own(target)
  const scope = list(options.scope).join(" ")
  return {
    type,
    oneTime: options.oneTime ?? oneTimeTypes.has(type),
    params: [
      ...Object.entries(params).filter(
        (param): param is [string, string | Redacted.Redacted] => param[1] !== undefined && reveal(param[1]) !== ""
      ),
      ...(scope === "" ? [] : [["scope", scope] as const]),
      ...list(options.audience).map((audience) => ["audience", audience] as const),
      ...list(options.resource).map((resource) => ["resource", resource] as const),
      ...Object.entries(options.parameters ?? {}).filter(([, value]) => !Text.isBlank(reveal(value)))
    ]
  }
}

/**
 * The client itself asks (RFC 6749 §4.4).
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 *
 * console.log(Grant.clientCredentials().type)
 * // client_credentials
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientCredentials = (target?: Target): Grant => make("client_credentials", {}, target)

/**
 * A refresh token for the next access token (RFC 6749 §6). It may rotate, so it counts as spent when it is offered.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import { Redacted } from "effect"
 *
 * console.log(Grant.refreshToken(Redacted.make("s3cret")).oneTime)
 * // true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const refreshToken = (
  token: Redacted.Redacted,
  target?: Target & {
    /** Whether offering it spends it. `false` for servers that never rotate: a lost answer is then asked for again. Default: true. */
    readonly oneTime?: boolean | undefined
  }
): Grant => make("refresh_token", { refresh_token: token }, target)

/**
 * A kind of token (RFC 8693 §3), or the URI of another one.
 *
 * @category models
 * @since 0.1.0
 */
export type TokenType = keyof typeof tokenTypes | (string & Record<never, never>)

const tokenTypes = {
  accessToken: "urn:ietf:params:oauth:token-type:access_token",
  refreshToken: "urn:ietf:params:oauth:token-type:refresh_token",
  idToken: "urn:ietf:params:oauth:token-type:id_token",
  saml1: "urn:ietf:params:oauth:token-type:saml1",
  saml2: "urn:ietf:params:oauth:token-type:saml2",
  jwt: "urn:ietf:params:oauth:token-type:jwt"
} as const

/**
 * The URI of a kind of token (RFC 8693 §3). What is not one of ours is one already.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 *
 * console.log(Grant.tokenTypeUri("idToken"))
 * // urn:ietf:params:oauth:token-type:id_token
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const tokenTypeUri = (type: TokenType): string =>
  Object.hasOwn(tokenTypes, type) ? tokenTypes[type as keyof typeof tokenTypes] : type

/**
 * Somebody's token for another one (RFC 8693 §2.1).
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import { Redacted } from "effect"
 *
 * const grant = Grant.tokenExchange({ subjectToken: Redacted.make("s3cret"), subjectTokenType: "jwt" })
 * console.log(grant.params.map(([name]) => name))
 * // [ 'subject_token', 'subject_token_type' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tokenExchange = (
  options: Target & {
    /** Whom the new token is for: a token of theirs. */
    readonly subjectToken: Redacted.Redacted
    /** What that token is. */
    readonly subjectTokenType: TokenType
    /** Who acts for them: a token of that party. Default: not sent. */
    readonly actorToken?: Redacted.Redacted | undefined
    /** What that token is. Needed where there is one. */
    readonly actorTokenType?: TokenType | undefined
    /** What the new token should be. Default: the server decides, an access token. */
    readonly requestedTokenType?: TokenType | undefined
  }
): Grant => {
  const uri = (type: TokenType | undefined) => (type === undefined ? undefined : tokenTypeUri(type))
  return make(
    "urn:ietf:params:oauth:grant-type:token-exchange",
    {
      subject_token: options.subjectToken,
      subject_token_type: uri(options.subjectTokenType),
      actor_token: options.actorToken,
      actor_token_type: options.actorToken === undefined ? undefined : uri(options.actorTokenType),
      requested_token_type: uri(options.requestedTokenType)
    },
    options
  )
}

/**
 * A signed assertion that speaks for somebody (RFC 7523 §2.1). Without one it is added later, a fresh one at every attempt: `Assertion.asGrant`.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import { Redacted } from "effect"
 *
 * console.log(Grant.jwtBearer(Redacted.make("s3cret")).type)
 * // urn:ietf:params:oauth:grant-type:jwt-bearer
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const jwtBearer = (assertion?: Redacted.Redacted, target?: Target): Grant =>
  make("urn:ietf:params:oauth:grant-type:jwt-bearer", { assertion }, target)

/**
 * A person's name and password (RFC 6749 §4.3).
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import { Redacted } from "effect"
 *
 * console.log(Grant.password("ada", Redacted.make("s3cret")).params.map(([name]) => name))
 * // [ 'username', 'password' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const password = (username: string, password: Redacted.Redacted, target?: Target): Grant =>
  make("password", { username, password }, target)

/**
 * What is wrong with the options of a token's target, if anything: providers fail with it while their layer is built.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import { Option } from "effect"
 *
 * const problem = Grant.check("ClientCredentials", { scope: ["read write"] })
 * console.log(Option.getOrThrow(problem).message)
 * // ClientCredentials: option scope must be one scope per element, without spaces, quotes or backslashes
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (provider: string, target: Target): Option.Option<InvalidOption> => {
  const problem = (option: string, expected: string) => Option.some(new InvalidOption({ provider, option, expected }))
  const scope = list(target.scope)
  if (!scope.every(Text.isWord)) return problem("scope", "one scope per element, without spaces, quotes or backslashes")
  const twice = scope.find((one, at) => scope.indexOf(one) < at)
  if (twice !== undefined) return problem("scope", `without ${twice} twice`)
  for (const option of ["audience", "resource"] as const) {
    if (!list(target[option]).every(Text.isPlain)) return problem(option, "text without line breaks or other controls")
  }
  if (!list(target.resource).every((resource) => URL.canParse(resource) && !resource.includes("#"))) {
    return problem("resource", "an absolute URL without fragment (RFC 8707)")
  }
  for (const [name, value] of Object.entries(target.parameters ?? {})) {
    if (reserved.has(name))
      return problem("parameters", `without ${name}: it has an option of its own or is set by the grant`)
    if (!Text.isWord(name)) return problem("parameters", "named without spaces, quotes or backslashes")
    if (/\p{Cs}/u.test(reveal(value))) return problem("parameters", `well-formed text in ${name}`)
  }
  return Option.none()
}
