/**
 * What a signed assertion says (RFC 7523 §3), and where it goes in a request: pure data, no key in sight.
 *
 * `ClientAuthentication` proves with assertions who a client is, the `JwtBearer` provider trades them for tokens. You need this module to write
 * something of that kind of your own.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import { DateTime } from "effect"
 *
 * const claims = Assertion.claims({
 *   issuer: "me", subject: "ada", audience: "https://id.example.com", id: "1", now: DateTime.unsafeMake(0), lifetime: "1 minute"
 * })
 * console.log(claims.sub, claims.exp)
 * // ada 60
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { InvalidOption } from "../CredentialsError.ts"
import * as Text from "../internal/text.ts"
import * as TokenRequest from "./TokenRequest.ts"

/**
 * By which name the server knows the key.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyName {
  /** The key's identifier: `kid` in the header. Default: not sent. */
  readonly keyId?: string | undefined
  /** SHA-1 of the key's certificate in hex, colons allowed: `x5t` in the header. Default: not sent. */
  readonly thumbprint?: string | undefined
  /** SHA-256 of the key's certificate in hex, colons allowed: `x5t#S256` in the header. Default: not sent. */
  readonly thumbprintS256?: string | undefined
}

/**
 * Whom an assertion is for, and for how long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Validity {
  /** Whom the assertion is for: `"tokenEndpoint"`, `"issuer"`, or another exact string. Default: `"tokenEndpoint"`. */
  readonly audience?: string | undefined
  /** How long an assertion is valid, from 1 second to 1 hour. Default: 1 minute. */
  readonly lifetime?: Duration.DurationInput | undefined
}

/**
 * Hexadecimal digits as they are compared: in lower case, without the colons and spaces that tools put in.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 *
 * console.log(Assertion.plainHex("DE:AD be ef"))
 * // deadbeef
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const plainHex = (hex: string): string => hex.replace(/[:\s]/g, "").toLowerCase()

/**
 * A hexadecimal thumbprint of this many bytes as base64url.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import { Option } from "effect"
 *
 * console.log(Option.getOrThrow(Assertion.thumbprint("DE:AD:BE:EF", 4)))
 * // 3q2-7w
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const thumbprint = (hex: string, bytes: number): Option.Option<string> => {
  const decoded = Encoding.decodeHex(plainHex(hex))
  return Either.isRight(decoded) && decoded.right.length === bytes
    ? Option.some(Encoding.encodeBase64Url(decoded.right))
    : Option.none()
}

/**
 * The header of an assertion beside `alg` and `typ` (RFC 7515 §4.1). A thumbprint that is none is left out: see {@link check}.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 *
 * console.log(Assertion.header({ keyId: "2024" }))
 * // { kid: '2024' }
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const header = (name: KeyName): Readonly<Record<string, string>> => {
  const x5t = Option.flatMap(Option.fromNullable(name.thumbprint), (hex) => thumbprint(hex, 20))
  const x5tS256 = Option.flatMap(Option.fromNullable(name.thumbprintS256), (hex) => thumbprint(hex, 32))
  return {
    ...(name.keyId === undefined ? {} : { kid: name.keyId }),
    ...(Option.isSome(x5t) ? { x5t: x5t.value } : {}),
    ...(Option.isSome(x5tS256) ? { "x5t#S256": x5tS256.value } : {})
  }
}

/**
 * The audience that was wished for. None: the server's issuer, where that is not known.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import { Option } from "effect"
 *
 * const server = { tokenEndpoint: "https://id.example.com/token", issuer: Option.some("https://id.example.com") }
 * console.log(Option.getOrThrow(Assertion.audience("issuer", server)))
 * // https://id.example.com
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const audience = (
  wish: string | undefined,
  server: { readonly tokenEndpoint: string; readonly issuer: Option.Option<string> }
): Option.Option<string> =>
  wish === "issuer"
    ? server.issuer
    : Option.some(wish === undefined || wish === "tokenEndpoint" ? server.tokenEndpoint : wish)

/** What `claims` may not set: a second meaning would be somebody's attack. */
const registered: ReadonlySet<string> = new Set(["iss", "sub", "aud", "jti", "iat", "exp", "nbf", "scope"])

/**
 * The claims of an assertion (RFC 7523 §3), times in whole seconds. No `nbf`: a server whose clock is behind would refuse it.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import { DateTime } from "effect"
 *
 * const options = { issuer: "me", subject: "me", id: "1", now: DateTime.unsafeMake(0), lifetime: "1 hour" } as const
 * console.log(Assertion.claims({ ...options, scope: ["read", "write"] }).scope)
 * // read write
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const claims = (options: {
  /** Who makes the assertion: `iss`. */
  readonly issuer: string
  /** Whom it speaks of: `sub`. */
  readonly subject: string
  /** Whom it is for: `aud`. Default: not said. */
  readonly audience?: string | undefined
  /** What makes it different from all others: `jti`. */
  readonly id: string
  /** When it is made: `iat`. */
  readonly now: DateTime.Utc
  /** How long it is valid: `exp`. */
  readonly lifetime: Duration.DurationInput
  /** What the token should allow, for servers that want it here: `scope`. Default: not said. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** More claims; the ones above cannot be changed by them. Default: none. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
}): Readonly<Record<string, unknown>> => {
  const iat = Math.floor(DateTime.toEpochMillis(options.now) / 1000)
  const scope = (options.scope ?? []).filter((scope) => !Text.isBlank(scope)).join(" ")
  return {
    ...options.claims,
    iss: options.issuer,
    sub: options.subject,
    ...(options.audience === undefined ? {} : { aud: options.audience }),
    jti: options.id,
    iat,
    exp: iat + Math.ceil(Duration.toSeconds(options.lifetime)),
    ...(scope === "" ? {} : { scope })
  }
}

/**
 * What is wrong with the options of an assertion, if anything: providers fail with it while their layer is built.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import { Option } from "effect"
 *
 * console.log(Option.getOrThrow(Assertion.check("JwtBearer", { thumbprint: "no hex" })).message)
 * // JwtBearer: option thumbprint must be 40 hexadecimal digits (SHA-1)
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (
  provider: string,
  options: KeyName & Validity & { readonly claims?: Readonly<Record<string, unknown>> | undefined }
): Option.Option<InvalidOption> => {
  const problem = (option: string, expected: string) => Option.some(new InvalidOption({ provider, option, expected }))
  const lifetime = Duration.toMillis(options.lifetime ?? "1 minute")
  if (!(lifetime >= 1_000 && lifetime <= 3_600_000)) return problem("lifetime", "from 1 second to 1 hour")
  if (options.audience !== undefined && !isName(options.audience)) {
    return problem("audience", '"tokenEndpoint", "issuer" or text without line breaks or other controls')
  }
  if (options.keyId !== undefined && !isName(options.keyId)) {
    return problem("keyId", "text without line breaks or other controls")
  }
  if (options.thumbprint !== undefined && Option.isNone(thumbprint(options.thumbprint, 20))) {
    return problem("thumbprint", "40 hexadecimal digits (SHA-1)")
  }
  if (options.thumbprintS256 !== undefined && Option.isNone(thumbprint(options.thumbprintS256, 32))) {
    return problem("thumbprintS256", "64 hexadecimal digits (SHA-256)")
  }
  const taken = Object.keys(options.claims ?? {}).find((claim) => registered.has(claim))
  return taken === undefined
    ? Option.none()
    : problem("claims", `without ${taken}: it has an option of its own or is set by the library`)
}

const isName = (text: string): boolean => !Text.isBlank(text) && Text.isPlain(text)

/**
 * The same request with an assertion that says who the client is (RFC 7523 §2.2).
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 * import { Redacted } from "effect"
 *
 * const request = Assertion.asClient(TokenRequest.make([]), "me", Redacted.make("s3cret"))
 * console.log(request.params.map(([name]) => name))
 * // [ 'client_id', 'client_assertion_type', 'client_assertion' ]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const asClient = (
  request: TokenRequest.TokenRequest,
  clientId: string,
  assertion: Redacted.Redacted
): TokenRequest.TokenRequest =>
  (
    [
      ["client_id", clientId],
      ["client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
      ["client_assertion", assertion]
    ] as const
  ).reduce<TokenRequest.TokenRequest>((request, [name, value]) => TokenRequest.withParam(request, name, value), request)

/**
 * The same request with the assertion that it offers as its grant (RFC 7523 §2.1).
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import * as Grant from "effect-credentials/Grant"
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 * import { Redacted } from "effect"
 *
 * const request = Assertion.asGrant(TokenRequest.fromGrant(Grant.jwtBearer()), Redacted.make("s3cret"))
 * console.log(request.params.map(([name]) => name))
 * // [ 'grant_type', 'assertion' ]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const asGrant = (request: TokenRequest.TokenRequest, assertion: Redacted.Redacted): TokenRequest.TokenRequest =>
  TokenRequest.withParam(request, "assertion", assertion)

/**
 * Whether a request offers an assertion as its grant and has none yet.
 *
 * @example
 * ```ts
 * import * as Assertion from "effect-credentials/Assertion"
 * import * as Grant from "effect-credentials/Grant"
 * import * as TokenRequest from "effect-credentials/TokenRequest"
 *
 * console.log(Assertion.isWanted(TokenRequest.fromGrant(Grant.jwtBearer())))
 * // true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isWanted = ({ params }: TokenRequest.TokenRequest): boolean =>
  params.some(([name, value]) => name === "grant_type" && value === "urn:ietf:params:oauth:grant-type:jwt-bearer") &&
  !params.some(([name]) => name === "assertion")
