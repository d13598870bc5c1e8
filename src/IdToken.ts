/**
 * Who logged in, verified: ID tokens (OpenID Connect Core §3.1.3.7).
 *
 * An ID token comes beside the access token where the scope `openid` was asked for. A verifier checks its signature with keys that the issuer
 * publishes, and then what it says. `AuthorizationCode` and `DeviceAuthorization` do that by themselves ({@link LoginOptions}). Use `verify` for an ID token of which you want to know
 * the claims, and {@link verifying} around whatever else obtains tokens, so that those of somebody else are never used. To look inside without checking anything, use `Jwt`.
 *
 * @example
 * ```ts
 * import * as IdToken from "effect-credentials/IdToken"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const id = Testing.authorizationServer()
 * const { verify } = IdToken.verifier({ server: id.issuer, clientId: "my-tool", expected: { email: "ada@example.com" } })
 * const forged = verify("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.")
 * Effect.runPromise(Effect.flip(Effect.provide(forged, id.layer))).then((error) => console.log(error.message))
 * // the ID token is refused, alg: it is not signed with an allowed algorithm
 * ```
 *
 * @module
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AuthorizationServer from "./AuthorizationServer.ts"
import { IdTokenError, InvalidOption, RefreshError, type WrongUser } from "./CredentialsError.ts"
import * as Http from "./internal/http.ts"
import * as Jose from "./internal/jose.ts"
import * as Json from "./internal/json.ts"
import { leftHalf } from "./internal/leftHalf.ts"
import * as Published from "./internal/published.ts"
import * as Text from "./internal/text.ts"
import * as Jwt from "./Jwt.ts"
import * as IdTokenClaims from "./protocol/IdTokenClaims.ts"
import * as TokenResponse from "./protocol/TokenResponse.ts"
import * as Token from "./Token.ts"

/**
 * Whose ID tokens are accepted, and for whom.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Who issues them: an issuer, whose endpoints are discovered, or a server that names its `issuer` and `jwks_uri`. */
  readonly server: string | AuthorizationServer.AuthorizationServer
  /** The client that they must be meant for. */
  readonly clientId: string
  /** How they may be signed. Default: RSA, ECDSA and Ed25519 in all their sizes. */
  readonly algorithms?: ReadonlyArray<IdTokenClaims.Algorithm> | undefined
  /** By how much the clocks may differ; more than a minute counts as a minute. Default: 30 seconds. */
  readonly clockTolerance?: Duration.DurationInput | undefined
  /** How long before the login the person may have proven who he is (`auth_time`). Not looked at in renewals. Default: any time. */
  readonly maxAge?: Duration.DurationInput | undefined
  /** Who must have logged in: claims by their own names, such as `sub`, `email` or `hd`, compared exactly, all of them. Default: anybody. */
  readonly expected?: { readonly [claim: string]: string | number | boolean } | undefined
}

/**
 * What an ID token is compared with besides the verifier's own options.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyOptions {
  /** The nonce in the login's request; it must be repeated. Default: not looked at. */
  readonly nonce?: string | Redacted.Redacted | undefined
  /** The access token beside it, compared with `at_hash` where there is one. Default: not looked at. */
  readonly accessToken?: string | Redacted.Redacted | undefined
  /** The ID token of the login, if this one came with a renewal: it must be the same person. Default: this is the login. */
  readonly previous?: string | Redacted.Redacted | undefined
  /**
   * Whether it came straight from the token endpoint, whose certificate then vouches for it (§3.1.3.7, 6). In a renewal its signature is not asked for while the issuer's keys are not to
   * be had; all that it says is checked as ever. Default: false.
   */
  readonly isDirect?: boolean | undefined
}

/**
 * Verifies ID tokens of one issuer, for one client. It keeps the issuer's keys: make one and use it for all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verifier {
  /**
   * What an ID token says, if all of it is right. Fails with `IdTokenError` if it is not, with `WrongUser` if somebody else logged
   * in, with `RefreshError` if the issuer's keys are not to be had.
   */
  readonly verify: (
    idToken: string | Redacted.Redacted,
    options?: VerifyOptions
  ) => Effect.Effect<IdTokenClaims.IdTokenClaims, IdTokenError | WrongUser | RefreshError, HttpClient.HttpClient>
  /** Whom it accepts: claims by their own names. Providers make it a part of their key. Undefined: anybody. */
  readonly expected: Options["expected"]
  /** Sees that the issuer's keys are there, so that a login is not lost for want of them later. */
  readonly prepare: Effect.Effect<void, RefreshError, HttpClient.HttpClient>
  /** Fails if an option cannot work, before anything is sent. */
  readonly check: (provider: string) => Effect.Effect<void, InvalidOption>
}

/**
 * A verifier of ID tokens.
 *
 * **Details** – nothing is fetched before the first token is verified. Keys are used for as long as the server's `Cache-Control` says (10 minutes if it says nothing, at most
 * a day). A token that none of them fits makes them be fetched again, because they may have been replaced; whatever the reason and the outcome, they are fetched
 * at most once in 30 seconds, by one for all. While the server does not answer, keys that have become old serve for another day; for a token that none of them fits the error is why
 * there are no others. Tokens over 64 KiB and encrypted ones are refused. The order and the meaning of the checks are those of `IdTokenClaims.check`.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 * import * as IdToken from "effect-credentials/IdToken"
 * import { Effect } from "effect"
 *
 * const server = AuthorizationServer.make({ token_endpoint: "https://id.example.com/token" })
 * const verifier = IdToken.verifier({ server, clientId: "my-tool" })
 * console.log(Effect.runSync(Effect.flip(verifier.check("MyProvider"))).message)
 * // MyProvider: option server must be one that names its issuer
 * ```
 *
 * @see <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
 * @category constructors
 * @since 0.1.0
 */
export const verifier = (options: Options): Verifier => {
  const { algorithms, clientId, clockTolerance, expected, maxAge } = options
  const server = typeof options.server === "string" ? AuthorizationServer.discover(options.server) : options.server
  const keys = Published.make(published(server), { isRationed: true })

  /** Fails with `RefreshError` if nobody knows, because the keys are not to be had. */
  const signedBy = (text: string, algorithm: IdTokenClaims.Algorithm) =>
    Effect.gen(function* () {
      const first = yield* keys()
      let outcome = yield* Jose.verify(text, first, algorithm)
      if (outcome !== "Verified") {
        const next =
          outcome === "UnknownKey" ? yield* keys(first) : yield* Effect.orElseSucceed(keys(first), () => first)
        if (next !== first) outcome = yield* Jose.verify(text, next, algorithm)
      }
      if (outcome !== "Verified") {
        const description =
          outcome === "UnknownKey" ? "the issuer has no key that fits it" : "it was not made with a key of the issuer"
        return yield* new IdTokenError({ part: "signature", description })
      }
    })

  const verify: Verifier["verify"] = (idToken, beside = {}) =>
    Effect.gen(function* () {
      const text = reveal(idToken)
      const { claims, header } = yield* Either.mapLeft(
        Jwt.decode(text),
        ({ description }) => new IdTokenError({ part: "token", description })
      )
      const algorithm = yield* IdTokenClaims.algorithm(header, algorithms)
      const issuer = yield* Effect.mapError(server.issuer, () => invalid("the issuer is not known"))

      const { accessToken, isDirect = false, nonce, previous } = beside
      const login = previous === undefined ? undefined : Option.getOrUndefined(Either.getRight(Jwt.decode(previous)))
      yield* Effect.catchTag(signedBy(text, algorithm), "RefreshError", (error) =>
        isDirect && login !== undefined
          ? Effect.logWarning(`${error.message}; the signature of a renewal's ID token was not checked`)
          : Effect.fail(error)
      )
      return yield* IdTokenClaims.check(claims, {
        issuer,
        clientId,
        now: yield* DateTime.now,
        clockTolerance,
        maxAge,
        nonce: nonce === undefined ? undefined : Redacted.make(reveal(nonce)),
        accessTokenHash:
          accessToken === undefined || Json.member(claims, "at_hash") === undefined
            ? undefined
            : yield* leftHalf(IdTokenClaims.hashOf(algorithm), reveal(accessToken)),
        previous: login?.claims,
        user: expected
      })
    })

  return {
    verify,
    expected,
    prepare: Effect.asVoid(keys()),
    check: (provider) => {
      const refuse = (option: string, expected: string) =>
        Effect.fail(new InvalidOption({ provider, option, expected }))
      if (Option.isNone(server.issuer)) return refuse("server", "one that names its issuer")
      if (Text.isBlank(clientId)) return refuse("clientId", "given")
      return server.check(provider)
    }
  }
}

const reveal = (text: string | Redacted.Redacted): string => (Redacted.isRedacted(text) ? Redacted.value(text) : text)

const fail = (reason: RefreshError["reason"]): RefreshError => new RefreshError({ provider: "IdToken", reason })

const invalid = (description: string): RefreshError => fail({ _tag: "InvalidResponse", description })

/** How long the issuer may take to answer. */
const timeLimit = /* @__PURE__ */ Duration.seconds(10)

/** The keys as the issuer publishes them. */
const published = (
  server: AuthorizationServer.AuthorizationServer
): Effect.Effect<Published.Published<Jose.KeySet>, RefreshError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { jwks_uri } = yield* server.metadata
    if (jwks_uri === undefined) return yield* invalid("the server's metadata has no jwks_uri")
    const answer = yield* Http.send({ method: "GET", url: jwks_uri, headers: { accept: "application/json" } }).pipe(
      Effect.mapError((failure) =>
        failure._tag === "Refused"
          ? fail({ _tag: "InvalidResponse", description: `keys: ${failure.description}`, status: failure.status })
          : fail({ _tag: "Transport", description: failure.description })
      ),
      Effect.timeoutFail({ duration: timeLimit, onTimeout: () => fail({ _tag: "Timeout", after: timeLimit }) })
    )
    if (answer.status !== 200) {
      const reason = TokenResponse.failureOf({ ...answer, body: "" })
      return yield* reason._tag === "Unavailable" ? fail(reason) : invalid(`keys: status ${answer.status}`)
    }
    const keys = Json.member(Json.parseObject(answer.body) ?? {}, "keys")
    return Array.isArray(keys) && keys.length > 0
      ? { value: Jose.keySet(keys), freshFor: freshFor(answer.headers) }
      : yield* invalid("keys: not a JSON Web Key Set with keys in it")
  })

/** For how many milliseconds an answer need not be asked for again (RFC 9111 §4.2). */
const freshFor = (headers: Http.Answer["headers"]): number => {
  const said = headers["cache-control"]?.toLowerCase() ?? ""
  if (/\bno-(cache|store)\b/.test(said)) return 0
  const maxAge = /(?:^|[\s,])max-age="?(\d+)/.exec(said)?.[1]
  const age = /^\d+$/.exec(headers["age"] ?? "0")?.[0]
  return maxAge === undefined ? 600_000 : 1_000 * Math.min(86_400, Math.max(0, Number(maxAge) - Number(age ?? 0)))
}

/**
 * Whose tokens a login may bring: options of the providers that log people in.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginOptions {
  /**
   * What verifies the ID token that comes with a login or a renewal, before anybody sees or stores any of it: a verifier of your own, made once for all logins, or
   * `false` for nothing. Default: where the scope has `openid` and the server's issuer is known, a {@link verifier} as it is; otherwise nothing.
   */
  readonly idToken?: Verifier | false | undefined
  /**
   * Who must log in: claims by their own names, such as `sub`, `email` or `hd`, compared exactly, all of them. Anybody else is refused with `WrongUser`. For a verifier of your own
   * it is that one's option. Default: anybody, but in a renewal, or a login in place of one, the same person as before, until the
   * credentials forget. Stores keep the tokens of different expectations apart.
   */
  readonly expected?: Options["expected"]
}

/**
 * The verifier that a login's options ask for: undefined, if ID tokens are not looked at. Providers make it once, so that its keys are kept.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 * import * as IdToken from "effect-credentials/IdToken"
 *
 * const server = AuthorizationServer.discover("https://id.example.com")
 * const automatic = IdToken.ofLogin({ server, clientId: "my-tool", scope: ["openid"], expected: { hd: "example.com" } })
 * const none = IdToken.ofLogin({ server, clientId: "my-tool", scope: ["read"] })
 * console.log(automatic !== undefined, none)
 * // true undefined
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofLogin = (
  options: LoginOptions & {
    /** Where the login takes place. */
    readonly server: AuthorizationServer.AuthorizationServer
    /** The client that the tokens must be meant for. */
    readonly clientId: string
    /** What is asked for. Default: nothing. */
    readonly scope?: ReadonlyArray<string> | undefined
  }
): Verifier | undefined => {
  const { clientId, expected, idToken, scope = [], server } = options
  if (idToken !== undefined) return idToken === false ? undefined : idToken
  return scope.includes("openid") && Option.isSome(server.issuer) ? verifier({ server, clientId, expected }) : undefined
}

/**
 * Fails if a login's options cannot work: an expected person, and nothing that would look.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 * import * as IdToken from "effect-credentials/IdToken"
 * import { Effect } from "effect"
 *
 * const server = AuthorizationServer.discover("https://id.example.com")
 * const login = { server, clientId: "my-tool", expected: { email: "ada@example.com" } }
 * console.log(Effect.runSync(Effect.flip(IdToken.checkLogin("MyProvider", login))).message)
 * // MyProvider: option expected must be given with the scope openid and a server whose issuer is known, or to the verifier itself
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const checkLogin = (
  provider: string,
  options: Parameters<typeof ofLogin>[0]
): Effect.Effect<void, InvalidOption> =>
  options.expected !== undefined && (options.idToken !== undefined || ofLogin(options) === undefined)
    ? Effect.fail(
        new InvalidOption({
          provider,
          option: "expected",
          expected: "given with the scope openid and a server whose issuer is known, or to the verifier itself"
        })
      )
    : (ofLogin(options)?.check(provider) ?? Effect.void)

/**
 * What an acquisition is, to verify what it brings.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyingOptions {
  /** Whom errors speak of. */
  readonly provider: string
  /** What was held before, if this is a renewal. Default: this is a login. */
  readonly previous?: Option.Option<Token.Token> | undefined
  /** The nonce in the login's request. Default: there was none. */
  readonly nonce?: Redacted.Redacted | undefined
  /** Whether a person logs in, who may be the one from before. Default: if nothing was held before. */
  readonly isLogin?: boolean | undefined
}

/**
 * An acquisition whose ID token is verified before anybody sees the tokens: what fails here is neither used nor stored.
 *
 * **Details** – the keys are seen to first, so that nothing is spent in vain while they are not to be had. If a renewal then brings an ID token with a new key that cannot be
 * fetched, all that it says is checked and its signature is not, as for tokens straight from the token endpoint it need not be: the refresh token beside it is not thrown away for
 * an outage. A login must bring an ID token (ask for the scope `openid`); a renewal need not, then that of the login stays with the tokens. What is refused is a `RefreshError`: `WrongUser` if it is somebody else's, otherwise
 * `InvalidResponse`, whose description says why.
 *
 * @example
 * ```ts
 * import * as IdToken from "effect-credentials/IdToken"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const id = Testing.authorizationServer()
 * const verifier = IdToken.verifier({ server: id.issuer, clientId: "my-tool", expected: { sub: "ada" } })
 * const login = id.login({ clientId: "my-tool", subject: "eve", scope: ["openid"] })
 * const verified = login.pipe(IdToken.verifying(verifier, { provider: "MyProvider" }))
 * Effect.runPromise(Effect.flip(Effect.provide(verified, id.layer))).then((error) => console.log(error.reason))
 * // { _tag: 'WrongUser', claim: 'sub' }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const verifying: {
  (
    verifier: Verifier,
    options: VerifyingOptions
  ): <R>(
    acquire: Effect.Effect<Token.Token, RefreshError, R>
  ) => Effect.Effect<Token.Token, RefreshError, R | HttpClient.HttpClient>
  <R>(
    acquire: Effect.Effect<Token.Token, RefreshError, R>,
    verifier: Verifier,
    options: VerifyingOptions
  ): Effect.Effect<Token.Token, RefreshError, R | HttpClient.HttpClient>
} = /* @__PURE__ */ dual(
  3,
  <R>(
    acquire: Effect.Effect<Token.Token, RefreshError, R>,
    verifier: Verifier,
    { isLogin, nonce, previous = Option.none(), provider }: VerifyingOptions
  ): Effect.Effect<Token.Token, RefreshError, R | HttpClient.HttpClient> => {
    const held = Option.flatMap(previous, (token) => token.idToken)
    const refuse = (reason: RefreshError["reason"]) => new RefreshError({ provider, reason })
    const invalid = (description: string) => refuse({ _tag: "InvalidResponse", description })
    const renamed = ({ reason }: RefreshError) => refuse(reason)
    return Effect.gen(function* () {
      yield* Effect.mapError(verifier.prepare, renamed)
      const token = yield* acquire
      if (Option.isNone(token.idToken)) {
        return isLogin !== true && Option.isSome(held)
          ? Token.make({ ...token, idToken: held })
          : yield* invalid("it brought no ID token; ask for the scope openid")
      }
      yield* Effect.mapError(
        verifier.verify(token.idToken.value, {
          nonce,
          accessToken: token.accessToken,
          previous: Option.getOrUndefined(held),
          isDirect: isLogin !== true
        }),
        (error) =>
          // What brought it is spent: trying again would not bring it back.
          error._tag === "RefreshError"
            ? invalid(`its ID token cannot be verified now: ${error.message}`)
            : error._tag === "WrongUser"
              ? refuse({ _tag: "WrongUser", claim: error.claim })
              : invalid(error.message)
      )
      return token
    })
  }
)
