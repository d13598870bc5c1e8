/**
 * A token from the caller's own Effect or function: for everything that is not an authorization server, and for SDKs that have a token already.
 *
 * The credentials around it ask one question at a time, cache the answer and renew it; the function only has to get a token. What it returns may be
 * the bare access token (if that is a JWT, its `exp` is the expiry) or a whole `Token`. For bare tokens without an expiry set the
 * `defaultLifetime` of the credentials.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect } from "effect"
 *
 * const sdk = { currentToken: async () => "s3cret" }
 * const CredentialsLive = TokenFactory.layer({ token: () => sdk.currentToken() }, { defaultLifetime: "5 minutes" })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(program.pipe(Effect.provide(CredentialsLive))).then((token) => console.log(String(token.accessToken)))
 * // <redacted>
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Authorization } from "../Authorization.ts"
import * as Credentials from "../Credentials.ts"
import { type InvalidOption, RefreshError } from "../CredentialsError.ts"
import * as Text from "../internal/text.ts"
import * as Jwt from "../Jwt.ts"
import * as Provider from "../Provider.ts"
import * as Token from "../Token.ts"

const name = "TokenFactory"

/**
 * What a token factory returns: an access token, or all of a token.
 *
 * @category models
 * @since 0.1.0
 */
export type Made = string | Redacted.Redacted | Token.Token

/**
 * Where tokens come from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out R = never> {
  /**
   * Obtains a token: an Effect, or a function that returns one, a promise of one, or throws. Never called twice at a time. It sees what is needed:
   * the token held before, how long the next should last, whether a person may be asked. A `RefreshError` is passed on as it is; of any other failure only
   * the kind is told, as its text might quote a secret.
   */
  readonly token:
    Effect.Effect<Made, unknown, R> | ((need: Provider.Need) => Made | Promise<Made> | Effect.Effect<Made, unknown, R>)
  /** How the token goes on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
  /**
   * Whether to ask again, 1 second and then 2 seconds later, for a token that has too little life left: one that would have to be renewed at once (in its last minute, or its last fifth if
   * that is less), or that lasts less than the caller needs. Sources with a cache of their own hand out such tokens. After the third time the token is used while it
   * lives. Default: true.
   */
  readonly retryWhileStale?: boolean | undefined
}

/**
 * A provider from an Effect or a function.
 *
 * @example
 * ```ts
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect } from "effect"
 *
 * const provider = TokenFactory.make({ token: (need) => Effect.succeed(`lasts-${need.validFor}`) })
 * console.log(provider.name)
 * // TokenFactory
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: Options<R>): Provider.Provider<R> =>
  Provider.make<R>({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    acquire: (need) => ask(options, need, ["1 second", "2 seconds"])
  })

const failed = (description: string) => new RefreshError({ provider: name, reason: { _tag: "Source", description } })

/** Asks, and asks again after each of the pauses while what comes is stale. */
const ask = <R>(
  options: Options<R>,
  need: Provider.Need,
  pauses: ReadonlyArray<Duration.DurationInput>
): Effect.Effect<Token.Token, RefreshError, R> =>
  Effect.gen(function* () {
    const askedAt = yield* DateTime.now
    const made = yield* Effect.mapError(call(options, need), (error) =>
      error instanceof RefreshError ? error : failed(`the token factory failed (${Text.kindOf(error)})`)
    )
    const token = Predicate.isString(made)
      ? Token.fromAccessToken(Redacted.make(made), askedAt)
      : Redacted.isRedacted(made)
        ? Token.fromAccessToken(made, askedAt)
        : Predicate.hasProperty(made, "accessToken") && Redacted.isRedacted(made.accessToken)
          ? made
          : yield* failed("the token factory returned no token: a text, a Redacted or a Token expected")
    const now = yield* DateTime.now
    if (options.retryWhileStale === false || !isStale(token, now, need.validFor)) return token
    const [pause, ...later] = pauses
    if (pause !== undefined) return yield* Effect.zipRight(Effect.sleep(pause), ask(options, need, later))
    return Token.freshness(token, now) === "Expired"
      ? yield* failed(
          "the token factory returned an expired token, three times: check where it gets it and this machine's clock"
        )
      : token
  })

/** Its life counts from when it was made, which only a JWT knows: a source may have had it for a while. */
const isStale = (token: Token.Token, now: DateTime.Utc, validFor: Duration.Duration): boolean => {
  const iat = Either.match(Jwt.decode(token.accessToken), {
    onLeft: () => undefined,
    onRight: ({ claims }) => claims["iat"]
  })
  const madeAt = Math.min(
    DateTime.toEpochMillis(token.issuedAt),
    typeof iat === "number" && iat >= 0 ? iat * 1000 : Infinity
  )
  return (
    Token.freshness({ ...token, issuedAt: DateTime.unsafeMake(madeAt) }, now) !== "Fresh" ||
    Option.exists(token.expiresAt, (expiresAt) => DateTime.distance(now, expiresAt) < Duration.toMillis(validFor))
  )
}

const call = <R>({ token }: Options<R>, need: Provider.Need): Effect.Effect<Made, unknown, R> =>
  Effect.isEffect(token)
    ? token
    : Effect.flatMap(Effect.try({ try: () => token(need), catch: (error) => error }), (made) =>
        Effect.isEffect(made)
          ? made
          : Predicate.isPromise(made)
            ? Effect.tryPromise({ try: () => made, catch: (error) => error })
            : Effect.succeed(made)
      )

/**
 * Credentials from an Effect or a function.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect } from "effect"
 *
 * const broken = TokenFactory.layer({ token: () => Promise.reject(new TypeError("s3cret")) })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(Effect.flip(program.pipe(Effect.provide(broken)))).then((error) => console.log(error.message))
 * // TokenFactory: the token factory failed (TypeError)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never, Name extends string = "default">(
  options: Options<R>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, Exclude<R, Scope.Scope>> => Credentials.layer(make(options), engine)
