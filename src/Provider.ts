/**
 * How to obtain a token: a recipe, not a running thing.
 *
 * A provider is a small record around one function, `acquire`. It keeps no state, caches nothing and decides nothing about
 * time: `Credentials` does all of that. Persistence, retry, fallback and configuration are combinators on it, so no provider ever contains them.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Provider from "effect-credentials/Provider"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Effect, Redacted } from "effect"
 *
 * const answer = Provider.make({
 *   name: "DeepThought",
 *   acquire: () => Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make("42"), issuedAt }))
 * })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(program.pipe(Effect.provide(Credentials.layer(answer)))).then((token) => console.log(token.tokenType))
 * // bearer
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import type * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Authorization from "./Authorization.ts"
import {
  InvalidOption,
  MissingCredentials,
  PartialCredentials,
  RefreshError,
  type RevocationError,
  type TokenStoreError
} from "./CredentialsError.ts"
import * as IdToken from "./IdToken.ts"
import * as Settings from "./internal/settings.ts"
import * as Grant from "./protocol/Grant.ts"
import * as Token from "./Token.ts"
import * as TokenEndpoint from "./TokenEndpoint.ts"
import { TokenStore } from "./TokenStore.ts"

/**
 * What is needed of a provider now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Need {
  /** What was held before. None: a first acquisition; some: a renewal. */
  readonly previous: Option.Option<Token.Token>
  /** How long the token should last at least. Zero: no wish. */
  readonly validFor: Duration.Duration
  /** Whether a person may be asked. Renewals in the background say `"forbidden"`: no browser ever opens from there. */
  readonly interaction: "allowed" | "forbidden"
}

/**
 * A recipe for tokens. Write one with {@link make}, which fills in everything but the first two.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provider<out R = never> extends Pipeable {
  /** What errors, spans and metrics call it: the same for all users, never a secret. */
  readonly name: string
  /**
   * Obtains a token: the one thing a provider is about. Leave it interruptible: what it returns after the time limit is lost.
   */
  readonly acquire: (need: Need) => Effect.Effect<Token.Token, RefreshError, R>
  /** Who this is (issuer, client, subject, scope, audience, resource), for stores. Default: none. */
  readonly key: Option.Option<string>
  /** How its tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization: Authorization.Authorization
  /** How long one acquisition may take in all. Default: 30 seconds. */
  readonly timeLimit: Duration.Duration
  /** Tells the server that a token is no longer needed. Default: there is nobody to tell. */
  readonly revoke: (token: Token.Token) => Effect.Effect<void, RevocationError, R>
  /** Forgets what was kept outside of the credentials. Default: nothing is. */
  readonly forget: Effect.Effect<void, TokenStoreError, R>
  /** Tokens that others obtained, through a shared store. Default: none. */
  readonly updates: Stream.Stream<Token.Token, never, R>
  /** Run once when a layer is built, before anything is sent: fails for options that cannot work. Default: all fine. */
  readonly check: Effect.Effect<void, InvalidOption, R>
}

/**
 * A provider from a name and a function.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Duration, Effect, Redacted } from "effect"
 *
 * const provider = Provider.make({
 *   name: "Constant",
 *   acquire: () => Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make("s3cret"), issuedAt }))
 * })
 * console.log(Duration.toSeconds(provider.timeLimit))
 * // 30
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options: Pick<Provider<R>, "name" | "acquire"> & Partial<Omit<Provider<R>, "pipe">>
): Provider<R> => ({
  key: Option.none(),
  authorization: Authorization.bearer,
  timeLimit: Duration.seconds(30),
  revoke: () => Effect.void,
  forget: Effect.void,
  updates: Stream.empty,
  check: Effect.void,
  ...options,
  pipe() {
    return pipeArguments(this, arguments)
  }
})

/**
 * Spends the refresh token of the token held before, where there is one; goes back to the original grant when the server answers `invalid_grant`, and
 * on nothing else: an outage is no reason to log in again.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Effect, Redacted } from "effect"
 *
 * const login = StaticToken.make({ token: Redacted.make("from a login") })
 * const provider = login.pipe(Provider.refreshable((refreshToken) =>
 *   Effect.map(DateTime.now, (issuedAt) => Token.fromAccessToken(refreshToken, issuedAt))))
 * console.log(provider.name)
 * // StaticToken
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const refreshable: {
  <R2>(
    refresh: (refreshToken: Redacted.Redacted) => Effect.Effect<Token.Token, RefreshError, R2>
  ): <R>(self: Provider<R>) => Provider<R | R2>
  <R, R2>(
    self: Provider<R>,
    refresh: (refreshToken: Redacted.Redacted) => Effect.Effect<Token.Token, RefreshError, R2>
  ): Provider<R | R2>
} = dual(
  2,
  <R, R2>(
    self: Provider<R>,
    refresh: (refreshToken: Redacted.Redacted) => Effect.Effect<Token.Token, RefreshError, R2>
  ): Provider<R | R2> =>
    make<R | R2>({
      ...self,
      acquire: (need) =>
        Option.match(
          Option.flatMap(need.previous, (token) => token.refreshToken),
          {
            onNone: () => self.acquire(need),
            onSome: (refreshToken) =>
              Effect.catchIf(
                refresh(refreshToken) as Effect.Effect<Token.Token, RefreshError, R | R2>,
                ({ reason }) => reason._tag === "Rejected" && reason.code === "invalid_grant",
                () => self.acquire({ ...need, previous: Option.none() })
              )
          }
        )
    })
)

/**
 * Tries again on errors that trying again may help (`RefreshError.isRetryable`), as the schedule says and within the provider's time limit.
 * Providers that talk to a token endpoint do this by themselves.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect, Schedule } from "effect"
 *
 * const provider = TokenFactory.make({ token: Effect.succeed("s3cret") }).pipe(
 *   Provider.retry(Schedule.intersect(Schedule.exponential("200 millis"), Schedule.recurs(2)))
 * )
 * console.log(provider.name)
 * // TokenFactory
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const retry: {
  <R2>(schedule: Schedule.Schedule<unknown, RefreshError, R2>): <R>(self: Provider<R>) => Provider<R | R2>
  <R, R2>(self: Provider<R>, schedule: Schedule.Schedule<unknown, RefreshError, R2>): Provider<R | R2>
} = dual(2, <R, R2>(self: Provider<R>, schedule: Schedule.Schedule<unknown, RefreshError, R2>): Provider<R | R2> =>
  make<R | R2>({
    ...self,
    acquire: (need) => Effect.retry(self.acquire(need), { while: (error) => error.isRetryable, schedule })
  })
)

/**
 * Keeps tokens in the `TokenStore`, under `key` or the provider's own: a restart finds them again, and those who share the store renew once.
 *
 * **Details** – every acquisition is a transaction of the store: who holds the lock looks first whether somebody else has obtained a token
 * that will do. A new token, and with it a rotated refresh token, is stored before anybody sees it. A token that was issued for another key (`DPoP`) will
 * not do.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Redacted } from "effect"
 *
 * const provider = StaticToken.make({ token: Redacted.make("s3cret") }).pipe(Provider.persisted("me"))
 * const program = Effect.gen(function*() {
 *   yield* Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)
 *   console.log(yield* Effect.flatMap(TokenStore.TokenStore, (store) => store.list))
 * })
 * Effect.runSync(Effect.scoped(program).pipe(Effect.provide(TokenStore.layerMemory())))
 * // [ 'me' ]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const persisted: {
  (key?: string): <R>(self: Provider<R>) => Provider<R | TokenStore>
  <R>(self: Provider<R>, key?: string): Provider<R | TokenStore>
} = dual(
  (args) => typeof args[0] === "object",
  <R>(self: Provider<R>, key?: string): Provider<R | TokenStore> => {
    const where = Option.orElse(Option.fromNullable(key), () => self.key)
    const name = Option.getOrElse(where, () => "")
    const { proof } = self.authorization
    const isOurs = (token: Token.Token): Effect.Effect<boolean> =>
      proof === undefined ? Effect.succeed(true) : Effect.isSuccess(proof.accepts(token))
    return make<R | TokenStore>({
      ...self,
      key: where,
      check: Option.isSome(where)
        ? self.check
        : Effect.fail(
            new InvalidOption({
              provider: self.name,
              option: "key",
              expected: "given: this provider has none of its own"
            })
          ),
      acquire: (need) =>
        Effect.flatMap(TokenStore, (store) =>
          store.transaction(name, (stored) =>
            Effect.flatMap(DateTime.now, (now) => {
              const fits = (token: Token.Token) =>
                Token.isSendable(token) &&
                lastsFor(token, now, need.validFor) &&
                !Option.exists(need.previous, (previous) => Token.isSame(previous, token))
              const obtain = Effect.asSome(
                self.acquire({ ...need, previous: Option.orElse(stored, () => need.previous) })
              )
              if (Option.isNone(stored) || !fits(stored.value)) return obtain
              return Effect.flatMap(isOurs(stored.value), (isOurs) => (isOurs ? Effect.succeed(stored) : obtain))
            })
          )
        ).pipe(
          Effect.map(Option.getOrThrow),
          Effect.catchTag(
            "TokenStoreError",
            (error) => new RefreshError({ provider: self.name, reason: { _tag: "Store", description: error.message } })
          )
        ),
      forget: Effect.zipRight(
        Effect.flatMap(TokenStore, (store) => store.remove(name)),
        self.forget
      ),
      updates: Stream.merge(
        Stream.filterEffect(Stream.unwrap(Effect.map(TokenStore, (store) => store.changes(name))), isOurs),
        self.updates
      )
    })
  }
)

const lastsFor = (token: Token.Token, now: DateTime.Utc, validFor: Duration.Duration) =>
  Option.match(token.expiresAt, {
    onNone: () => true,
    onSome: (expiresAt) => DateTime.distance(now, expiresAt) > Duration.toMillis(validFor)
  })

/**
 * Verifies the ID token that comes with each token, before anybody sees or stores either: a login of somebody else, or a forged one, is a
 * `RefreshError` with reason `InvalidResponse`.
 *
 * **Details** – the keys are fetched before anything is spent, so that a rotated refresh token is not lost because they cannot be had. A
 * renewal has to be of the same person; one without an ID token keeps the login's.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import * as IdToken from "effect-credentials/IdToken"
 * import * as Provider from "effect-credentials/Provider"
 *
 * const issuer = "https://id.example.com"
 * const provider = AuthorizationCode.make({ issuer, clientId: "my-tool", scope: ["openid"] }).pipe(
 *   Provider.verified(IdToken.verifier({ server: issuer, clientId: "my-tool", expected: { email: "ada@example.com" } }))
 * )
 * console.log(provider.name)
 * // AuthorizationCode
 * ```
 *
 * @see <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
 * @category combinators
 * @since 0.1.0
 */
export const verified: {
  (verifier: IdToken.Verifier): <R>(self: Provider<R>) => Provider<R | HttpClient>
  <R>(self: Provider<R>, verifier: IdToken.Verifier): Provider<R | HttpClient>
} = dual(2, <R>(self: Provider<R>, verifier: IdToken.Verifier): Provider<R | HttpClient> =>
  make<R | HttpClient>({
    ...self,
    acquire: (need) =>
      self.acquire(need).pipe(IdToken.verifying(verifier, { provider: self.name, previous: need.previous })),
    check: Effect.zipRight(self.check, verifier.check(self.name))
  })
)

/**
 * Another provider for when this one cannot succeed: `self` was refused or needs a login. A passing failure (`isRetryable`) or an ambiguous one
 * is not a reason to ask somebody else.
 *
 * **Details** – the other provider sees the same `need`, so a login does not start from the background.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect, Redacted } from "effect"
 *
 * const provider = TokenFactory.make({ token: Effect.succeed("s3cret") }).pipe(
 *   Provider.orElse(StaticToken.make({ token: Redacted.make("f4llback") }))
 * )
 * console.log(provider.name)
 * // TokenFactory
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const orElse: {
  <R2>(that: Provider<R2>): <R>(self: Provider<R>) => Provider<R | R2>
  <R, R2>(self: Provider<R>, that: Provider<R2>): Provider<R | R2>
} = dual(2, <R, R2>(self: Provider<R>, that: Provider<R2>): Provider<R | R2> =>
  make<R | R2>({
    ...self,
    acquire: (need) =>
      Effect.catchIf(
        self.acquire(need) as Effect.Effect<Token.Token, RefreshError, R | R2>,
        (error) => !error.isRetryable && error.reason._tag !== "Ambiguous",
        () => that.acquire(need)
      ),
    timeLimit: Duration.sum(self.timeLimit, that.timeLimit),
    forget: Effect.zipRight(self.forget, that.forget),
    updates: self.updates === Stream.empty ? that.updates : Stream.merge(self.updates, that.updates),
    check: Effect.zipRight(self.check, that.check)
  })
)

/**
 * The options of a provider that offers grants to a token endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export type GrantOptions = TokenEndpoint.Options &
  Grant.Target & {
    /** How tokens go on a request. Default: `Authorization.bearer`. */
    readonly authorization?: Authorization.Authorization | undefined
  }

/**
 * What a provider says of itself beside its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndpointOptions {
  /** Whom the tokens are for, if that is not the client alone: a part of the key. Default: nobody else. */
  readonly subject?: string | undefined
  /** Whether refresh tokens are spent. `false` for grants that can be offered again as well. Default: true. */
  readonly refreshes?: boolean | undefined
  /** How long one acquisition may take in all. Default: the option `timeLimit`, which is 30 seconds. */
  readonly timeLimit?: Duration.Duration | undefined
  /** What has to be checked beside the options of the endpoint. Default: nothing. */
  readonly check?: Effect.Effect<void, InvalidOption> | undefined
}

/**
 * A provider that obtains tokens from a token endpoint in a way of its own, such as a login. It checks the options, refreshes with the refresh
 * token once it holds one, revokes (RFC 7009: the refresh token first, then the access token) and derives a key for stores.
 *
 * **Details** – with a proof of possession (`DPoP`), a public client's refresh token that was issued for another key is not even offered: `Assertion`.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import * as Provider from "effect-credentials/Provider"
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect, Redacted } from "effect"
 *
 * const askForCode = Effect.succeed(Redacted.make("s3cret"))
 * const provider = Provider.fromEndpoint(
 *   "Code",
 *   { tokenEndpoint: "https://id.example.com/token", clientId: "app" },
 *   (_need, endpoint) => Effect.flatMap(askForCode, (code) =>
 *     TokenEndpoint.exchange(endpoint, Grant.make("authorization_code", { code })))
 * )
 * console.log(provider.name)
 * // Code
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromEndpoint = <R = never>(
  name: string,
  options: GrantOptions,
  acquire: (
    need: Need,
    endpoint: TokenEndpoint.TokenEndpoint
  ) => Effect.Effect<Token.Token, RefreshError, R | HttpClient>,
  more?: EndpointOptions
): Provider<R | HttpClient> => {
  const endpoint = TokenEndpoint.make(name, options)
  const provider = make<R | HttpClient>({
    name,
    acquire: (need) => acquire(need, endpoint),
    key: Option.some(
      JSON.stringify([
        name,
        endpoint.server.id,
        options.clientId,
        more?.subject ?? null,
        Array.from(options.scope ?? []).sort(),
        options.audience ?? null,
        options.resource ?? null
      ])
    ),
    authorization: options.authorization ?? Authorization.bearer,
    timeLimit: more?.timeLimit ?? Duration.decode(options.timeLimit ?? "30 seconds"),
    revoke: (token) =>
      Effect.zipRight(
        Option.match(token.refreshToken, {
          onNone: () => Effect.void,
          onSome: (refreshToken) => TokenEndpoint.revoke(endpoint, refreshToken, "refresh_token")
        }),
        TokenEndpoint.revoke(endpoint, token.accessToken, "access_token")
      ),
    check: TokenEndpoint.check(endpoint).pipe(
      Effect.zipRight(Option.match(Grant.check(name, options), { onNone: () => Effect.void, onSome: Effect.fail })),
      Effect.zipRight(more?.check ?? Effect.void)
    )
  })
  const whole =
    more?.refreshes === false
      ? provider
      : refreshable(provider, (refreshToken) => TokenEndpoint.exchange(endpoint, Grant.refreshToken(refreshToken)))
  return make({
    ...whole,
    acquire: (need) => Effect.zipRight(checkKey(endpoint, need.previous), whole.acquire(need))
  })
}

/** RFC 9449 §5: the refresh token of a public client is bound to the key that it was issued for. */
const checkKey = (
  { authentication, provider, settings }: TokenEndpoint.TokenEndpoint,
  previous: Option.Option<Token.Token>
): Effect.Effect<void, RefreshError> => {
  const proof = settings.authorization?.proof
  const held = Option.filter(previous, ({ refreshToken }) => Option.isSome(refreshToken))
  return proof === undefined || authentication.method !== "none" || Option.isNone(held)
    ? Effect.void
    : Effect.mapError(
        proof.accepts(held.value),
        (description) => new RefreshError({ provider, reason: { _tag: "Assertion", description } })
      )
}

/**
 * A provider for any grant that a token endpoint accepts: {@link fromEndpoint}, where all there is to do is to offer it.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import * as Provider from "effect-credentials/Provider"
 * import { Effect, Redacted } from "effect"
 *
 * const password = Provider.fromGrant(
 *   "Password",
 *   { tokenEndpoint: "https://id.example.com/token", clientId: "app" },
 *   () => Effect.succeed(Grant.make("password", { username: "ada", password: Redacted.make("s3cret") })),
 *   { subject: "ada" }
 * )
 * console.log(password.name)
 * // Password
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromGrant = <R = never>(
  name: string,
  options: GrantOptions,
  grant: (need: Need) => Effect.Effect<Grant.Grant, RefreshError, R>,
  more?: EndpointOptions
): Provider<R | HttpClient> =>
  fromEndpoint<R>(
    name,
    options,
    (need, endpoint) => Effect.flatMap(grant(need), (grant) => TokenEndpoint.exchange(endpoint, grant)),
    more
  )

/**
 * A provider's settings, each one told where to find it.
 *
 * @category models
 * @since 0.1.0
 */
export type Configured<A> = { readonly [Name in keyof A]: Config.Config<A[Name]> }

/**
 * A provider from configuration, which by default means environment variables. Tells settings that are absent (`MissingCredentials`) from settings that are
 * incomplete (`PartialCredentials`, naming both lists); blank counts as absent.
 *
 * **Details** – with `sources`, each is asked for the whole record, in order, and the first that has *any* of the settings decides
 * alone: settings of different sources are never mixed. A setting with a default (`Config.option`, `Config.withDefault`) may be absent.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Config, ConfigProvider, Effect } from "effect"
 *
 * const provider = Provider.fromConfig("GitHub", { token: Config.redacted("GITHUB_TOKEN") }, StaticToken.make)
 * const nothing = ConfigProvider.fromMap(new Map())
 * console.log(Effect.runSync(Effect.flip(Effect.withConfigProvider(provider, nothing))).message)
 * // GitHub is not configured: set GITHUB_TOKEN
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = <A extends object, R>(
  name: string,
  settings: Configured<A>,
  make: (settings: A) => Provider<R>,
  sources?: ReadonlyArray<ConfigProvider.ConfigProvider>
): Effect.Effect<Provider<R>, MissingCredentials | PartialCredentials | InvalidOption> => {
  const load = (source: ConfigProvider.ConfigProvider) =>
    Effect.gen(function* () {
      const { found, provider } = Settings.watched(source)
      const values: Record<string, unknown> = {}
      const missing: Array<string> = []
      for (const [option, config] of Object.entries<Config.Config<unknown>>(settings as any)) {
        const value = yield* Effect.either(Effect.withConfigProvider(config, provider))
        if (Either.isRight(value)) values[option] = value.right
        else if (ConfigError.isMissingDataOnly(value.left)) missing.push(Settings.missingNames(value.left))
        // The ConfigError would quote the value.
        else
          return yield* new InvalidOption({
            provider: name,
            option,
            expected: "of the right form in the configuration"
          })
      }
      if (missing.length === 0) return make(values as A)
      return yield* found.size === 0
        ? new MissingCredentials({ provider: name, missing })
        : new PartialCredentials({ provider: name, present: Array.from(found), missing })
    })
  return sources === undefined || sources.length === 0
    ? Effect.configProviderWith(load)
    : sources.map(load).reduce((found, next) => Effect.catchTag(found, "MissingCredentials", () => next))
}

/**
 * Where the settings of a provider that offers grants are found.
 *
 * @category models
 * @since 0.1.0
 */
export interface GrantConfig {
  /** The token endpoint's URL. Default: `TOKEN_URL`, unless `issuer` is given. */
  readonly tokenEndpoint?: Config.Config<string> | undefined
  /** The issuer, for discovery, in place of the token endpoint. Default: `ISSUER`, where there is no `TOKEN_URL`. */
  readonly issuer?: Config.Config<string> | undefined
  /** The client's identifier. Default: `CLIENT_ID`. */
  readonly clientId?: Config.Config<string> | undefined
  /** The client's secret. Not looked for if `authentication` is given as an option. Default: `CLIENT_SECRET`. */
  readonly clientSecret?: Config.Config<Redacted.Redacted> | undefined
  /** What the tokens should allow, separated by spaces; may be absent. Default: `SCOPE`. */
  readonly scope?: Config.Config<string> | undefined
  /** Whom the tokens are for. Default: not looked for. */
  readonly audience?: Config.Config<string> | undefined
}

/**
 * The options that never come from configuration.
 *
 * @category models
 * @since 0.1.0
 */
export type GrantRest = Omit<
  GrantOptions,
  "server" | "tokenEndpoint" | "issuer" | "clientId" | "clientSecret" | "scope" | "audience"
>

/**
 * A provider that offers grants, from configuration: {@link GrantConfig} says where it looks. For provider modules; applications
 * use their `fromConfig` and `layerConfig`.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as Provider from "effect-credentials/Provider"
 * import type { HttpClient } from "@effect/platform"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const provider = Provider.fromGrantConfig<object, HttpClient.HttpClient>("Mine", ClientCredentials.make, { settings: {}, isPublic: true })
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "me"]]))
 * console.log(Effect.runSync(Effect.flip(Effect.withConfigProvider(provider, environment))).message)
 * // Mine is half configured: CLIENT_ID is set, TOKEN_URL or ISSUER is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromGrantConfig = <A extends object, R>(
  name: string,
  make: (options: GrantOptions & A) => Provider<R>,
  more: {
    /** What else the provider needs. */
    readonly settings: Configured<A>
    /** Whether the client may go without a secret. */
    readonly isPublic: boolean
    /** Where the rest is found. Default: as {@link GrantConfig} says. */
    readonly config?: GrantConfig | undefined
    /** What does not come from configuration. Default: nothing. */
    readonly options?: GrantRest | undefined
  }
): Effect.Effect<Provider<R>, MissingCredentials | PartialCredentials | InvalidOption> => {
  const { config, isPublic, options, settings } = more
  const tokenEndpoint = Config.map(config?.tokenEndpoint ?? Config.string("TOKEN_URL"), (tokenEndpoint) => ({
    tokenEndpoint
  }))
  const issuer = Config.map(config?.issuer ?? Config.string("ISSUER"), (issuer) => ({ issuer }))
  const either: Config.Config<TokenEndpoint.Server> = Config.orElse(tokenEndpoint, () => issuer)
  const secret = Config.map(config?.clientSecret ?? Config.redacted("CLIENT_SECRET"), Option.some)
  return fromConfig(
    name,
    {
      where: config?.issuer !== undefined ? issuer : config?.tokenEndpoint !== undefined ? tokenEndpoint : either,
      clientId: config?.clientId ?? Config.string("CLIENT_ID"),
      clientSecret:
        options?.authentication !== undefined
          ? Config.succeed(Option.none())
          : isPublic
            ? Config.withDefault(secret, Option.none())
            : secret,
      scope: Config.withDefault(
        Config.map(config?.scope ?? Config.string("SCOPE"), (scopes) =>
          scopes.split(" ").filter((scope) => scope !== "")
        ),
        []
      ),
      audience: config?.audience ?? Config.succeed(undefined),
      ...(settings as Configured<object>)
    },
    ({ where, clientSecret, ...found }) =>
      make({
        ...options,
        ...found,
        ...where,
        ...(Option.isSome(clientSecret) ? { clientSecret: clientSecret.value } : {})
      } as GrantOptions & A)
  )
}
