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
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import { dual, identity } from "effect/Function"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Redacted from "effect/Redacted"
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
import { fingerprint } from "./internal/fingerprint.ts"
import { merged } from "./internal/merged.ts"
import { own } from "./internal/own.ts"
import * as Provenance from "./internal/provenance.ts"
import * as Settings from "./internal/settings.ts"
import * as Spending from "./internal/spending.ts"
import * as Tags from "./internal/tags.ts"
import * as Grant from "./protocol/Grant.ts"
import * as Sources from "./Sources.ts"
import * as Token from "./Token.ts"
import * as TokenEndpoint from "./TokenEndpoint.ts"
import type { TokenStore } from "./TokenStore.ts"

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
  /** Where {@link persisted} leaves what the store does not take. Default: such a token is used, and not stored. */
  readonly backlog?: Backlog | undefined
}

/**
 * What a store has not taken yet. Whoever runs a provider keeps one and hands it over with every need, so that a provider needs no state.
 *
 * @category models
 * @since 0.1.0
 */
export interface Backlog {
  /** A token that is not in the store, although it should be. */
  unsaved?: Unsaved | undefined
  /** Why the store failed the last time, if somebody was told already. */
  warned?: TokenStoreError["reason"] | undefined
}

/**
 * A token that could not be stored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unsaved {
  /** Where it belongs. */
  readonly key: string
  /** The token. */
  readonly token: Token.Token
  /** What it takes the place of. Undefined: the store could not be read. */
  readonly replaces: Option.Option<Token.Token> | undefined
  /** Why it was not stored. */
  readonly error: TokenStoreError
  /** Stores it, unless somebody else has stored a newer one. */
  readonly save: Effect.Effect<void, TokenStoreError>
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
   * Obtains a token: the one thing a provider is about. Leave it interruptible, and mark with {@link spending} what must not be interrupted: what it
   * returns after the time limit is lost otherwise.
   */
  readonly acquire: (need: Need) => Effect.Effect<Token.Token, RefreshError, R>
  /** Who asks whom for what, for stores: what obtains other tokens has another one. None: that is not known. Default: none. */
  readonly key: Option.Option<string>
  /** How its tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization: Authorization.Authorization
  /** How long one acquisition may take in all. Default: 30 seconds. */
  readonly timeLimit: Duration.Duration
  /**
   * Tells the server that the tokens held, and those kept outside of the credentials, are no longer needed, and forgets what was kept, even if telling
   * failed. Default: there is nobody to tell, and `forget` does the rest.
   */
  readonly revoke: (held: ReadonlyArray<Token.Token>) => Effect.Effect<void, RevocationError | TokenStoreError, R>
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
 *   acquire: () => Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make("s3cret"), issuedAt })),
 *   timeLimit: "10 seconds"
 * })
 * console.log(Duration.toSeconds(provider.timeLimit))
 * // 10
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options: Pick<Provider<R>, "name" | "acquire"> &
    Partial<Omit<Provider<R>, "pipe" | "timeLimit">> & { readonly timeLimit?: Duration.DurationInput | undefined }
): Provider<R> =>
  new Recipe({
    ...(options.forget === undefined ? {} : { revoke: () => options.forget! }),
    ...options,
    ...(options.timeLimit === undefined ? {} : { timeLimit: Duration.decode(options.timeLimit) })
  }) as any

/** What a provider is where nobody says otherwise. */
const defaults: Omit<Provider, "name" | "acquire"> = {
  get key() {
    return Option.none()
  },
  get authorization() {
    return Authorization.bearer
  },
  get timeLimit() {
    return timeLimit
  },
  get revoke() {
    return nobodyToTell
  },
  get forget() {
    return Effect.void
  },
  get updates() {
    return Stream.empty
  },
  get check() {
    return Effect.void
  },
  get pipe() {
    return pipe
  }
}
const timeLimit = /* @__PURE__ */ Duration.seconds(30)
const nobodyToTell = () => Effect.void
function pipe(this: unknown) {
  return pipeArguments(this, arguments)
}

const members = /* @__PURE__ */ Object.entries(/* @__PURE__ */ Object.getOwnPropertyDescriptors(defaults))

/**
 * A provider as there may be one for each of 100,000 tenants: it has room for what is its own. The rest are getters that all have in common, and yet its own members, so
 * that it can be spread like any record.
 */
class Recipe {
  readonly name: unknown
  readonly acquire: unknown

  constructor(given: Readonly<Record<string, unknown>>) {
    this.name = given["name"]
    this.acquire = given["acquire"]
    const own: Record<string, unknown> = { ...given }
    for (const [name, member] of members) {
      if (given[name] !== undefined && given[name] !== member.get!()) continue
      Object.defineProperty(this, name, member)
      delete own[name]
    }
    Object.assign(this, own)
  }
}

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
    refresh: (refreshToken: Redacted.Redacted, need: Need) => Effect.Effect<Token.Token, RefreshError, R2>
  ): <R>(self: Provider<R>) => Provider<R | R2>
  <R, R2>(
    self: Provider<R>,
    refresh: (refreshToken: Redacted.Redacted, need: Need) => Effect.Effect<Token.Token, RefreshError, R2>
  ): Provider<R | R2>
} = /* @__PURE__ */ dual(
  2,
  <R, R2>(
    self: Provider<R>,
    refresh: (refreshToken: Redacted.Redacted, need: Need) => Effect.Effect<Token.Token, RefreshError, R2>
  ): Provider<R | R2> => make<R | R2>({ ...self, acquire: refreshing<R, R2>(self.acquire, refresh) })
)

/** {@link refreshable}, of nothing but the way to obtain a token. */
const refreshing =
  <R, R2>(
    acquire: Provider<R>["acquire"],
    refresh: (refreshToken: Redacted.Redacted, need: Need) => Effect.Effect<Token.Token, RefreshError, R2>
  ): Provider<R | R2>["acquire"] =>
  (need) =>
    Option.match(
      Option.flatMap(need.previous, (token) => token.refreshToken),
      {
        onNone: (): Effect.Effect<Token.Token, RefreshError, R | R2> => acquire(need),
        onSome: (refreshToken) =>
          Effect.catchIf(
            refresh(refreshToken, need),
            ({ reason }) => reason._tag === "Rejected" && reason.code === "invalid_grant",
            () => acquire({ ...need, previous: Option.map(need.previous, withoutRefreshToken) })
          )
      }
    )

const withoutRefreshToken = (token: Token.Token): Token.Token => Token.make({ ...token, refreshToken: Option.none() })

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
} = /* @__PURE__ */ dual(
  2,
  <R, R2>(self: Provider<R>, schedule: Schedule.Schedule<unknown, RefreshError, R2>): Provider<R | R2> =>
    make<R | R2>({
      ...self,
      acquire: (need) => Effect.retry(self.acquire(need), { while: (error) => error.isRetryable, schedule })
    })
)

/**
 * An effect that spends something that can be spent only once, such as a refresh token: until it has begun whoever interrupts it does so at once, and
 * from then on what it brings is kept, whoever would stop it. For an `acquire` that sends by other means than `TokenEndpoint`, which does this by itself.
 *
 * **Details** – keep it short, and give it a time limit of its own: time limits and the end of a layer wait for it, 15 seconds at most. A failure says that nothing was
 * spent.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import { Effect } from "effect"
 *
 * const rotate = Effect.timeout(Effect.succeed("s3cret"), "10 seconds")
 * Effect.runPromise(Provider.spending(rotate)).then((answer) => console.log(answer.length))
 * // 6
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const spending: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Spending.spending

/**
 * How tokens are kept in a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface PersistedOptions {
  /**
   * Under which key. Default: the provider's own, made of who asks whom for what, so that other settings mean another key; one that cannot know this has none, and
   * building a layer without a key fails. Whoever logs in is no setting: where several people do, give each a key.
   */
  readonly key?: string | undefined
  /**
   * Whether access tokens are stored. If not, only what came with a refresh token is, without its access token: every process then renews for itself, one after the
   * other. Default: true.
   */
  readonly persistAccessToken?: boolean | undefined
  /**
   * What to do if the store fails. `"continue"` is to go on in memory: a token that cannot be stored is used, and storing it is tried again in the background; if the
   * store cannot be read, tokens are obtained all the same, but without spending a refresh token that others may have spent. `"fail"` is to fail with reason `Store`, so
   * that no token is used that is not stored. Default: `"continue"`.
   */
  readonly onStoreFailure?: "continue" | "fail" | undefined
  /** Whether a revocation that failed leaves the token in the store, so that it can be revoked later. Default: false. */
  readonly keepUnrevoked?: boolean | undefined
}

/**
 * Keeps tokens in the `TokenStore`, under a key or the provider's own: a restart finds them again, and those who share the store renew once.
 *
 * **Details** – every acquisition is a transaction of the store: who holds the lock looks first whether somebody else has obtained a token
 * that will do; if not, what is stored is renewed, never an older refresh token from memory. A new token, and with it a rotated refresh token, is stored before anybody
 * sees it, and from the moment in which the refresh token was sent nothing can interrupt that. If the server refuses, the store is read again: somebody else's
 * newer token is used, and nothing is ever deleted because of a refusal. A token that was issued for another key (`DPoP`) will not do.
 *
 * A person is asked without the lock, so that nobody waits for it; a token that another process stores meanwhile ends the login.
 *
 * Revoking tells the server of what is stored and of what is held, under the lock, and then removes it. Another process that holds the access token in memory
 * uses it until it expires or the server refuses it, and does not renew it: from then on it has to log in, as after `forget`.
 *
 * **Gotchas** – a lock that cannot be had (`LockTimeout`) always fails with reason `Store`, which trying again may help: somebody else is busy with the same refresh token.
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
  (options?: string | PersistedOptions): <R>(self: Provider<R>) => Provider<R | TokenStore>
  <R>(self: Provider<R>, options?: string | PersistedOptions): Provider<R | TokenStore>
} = /* @__PURE__ */ dual(
  (args) => typeof args[0] === "object" && "acquire" in args[0],
  <R>(self: Provider<R>, options?: string | PersistedOptions): Provider<R | TokenStore> => {
    const {
      key,
      keepUnrevoked = false,
      onStoreFailure = "continue",
      persistAccessToken = true
    } = typeof options === "string" ? { key: options } : (options ?? {})
    const where = Option.orElse(Option.fromNullable(key), () => self.key)
    const name = Option.getOrElse(where, () => "")
    const { proof } = self.authorization
    const isOurs = (token: Token.Token): Effect.Effect<boolean> =>
      proof === undefined ? Effect.succeed(true) : Effect.isSuccess(proof.accepts(token))
    const failed = (error: TokenStoreError) =>
      new RefreshError({ provider: self.name, reason: { _tag: "Store", description: error.message } })

    /** What is stored of a token. */
    const record = (token: Token.Token): Option.Option<Token.Token> =>
      persistAccessToken ? Option.some(token) : Option.map(token.refreshToken, () => withoutAccessToken(token))

    /** Whether a token is what is needed. */
    const serves = (token: Token.Token, need: Need): Effect.Effect<boolean> =>
      Effect.flatMap(DateTime.now, (now) =>
        Token.isSendable(token) &&
        lastsFor(token, now, need.validFor) &&
        !Option.exists(need.previous, (previous) => Token.isSame(previous, token))
          ? isOurs(token)
          : Effect.succeed(false)
      )

    const unsavedOf = (need: Need): Unsaved | undefined =>
      need.backlog?.unsaved?.key === name ? need.backlog.unsaved : undefined

    const owe = (store: TokenStore, need: Need, token: Token.Token, more: Pick<Unsaved, "replaces" | "error">) => {
      const unsaved: Unsaved = {
        ...more,
        key: name,
        token,
        save: store.transaction(name, (stored) =>
          Effect.sync(() =>
            // Forgotten meanwhile, or followed by another: then it is not worth storing.
            need.backlog?.unsaved === unsaved && replaces(unsaved, stored) ? record(token) : stored
          )
        )
      }
      if (need.backlog !== undefined) need.backlog.unsaved = unsaved
    }

    /** A transaction that brings a token. */
    const transact = (
      store: TokenStore,
      need: Need,
      bring: (stored: Option.Option<Token.Token>) => Effect.Effect<Token.Token, RefreshError, R>
    ): Effect.Effect<Token.Token, RefreshError | TokenStoreError, R> =>
      Effect.suspend(() => {
        let read: Option.Option<Token.Token> | undefined
        let brought: Token.Token | undefined
        return store
          .transaction(name, (stored) => {
            read = stored
            return Effect.map(bring(stored), (token) => record((brought = token)))
          })
          .pipe(
            Effect.map(() => {
              if (need.backlog !== undefined) need.backlog.warned = undefined
              if (unsavedOf(need) !== undefined) need.backlog!.unsaved = undefined
              return brought!
            }),
            Effect.catchAll((error): Effect.Effect<Token.Token, RefreshError | TokenStoreError> => {
              if (brought === undefined || !isStoreError(error)) return Effect.fail(error)
              // It was there already: only the end of the transaction failed.
              if (Option.contains(read!, brought)) return Effect.succeed(brought)
              owe(store, need, brought, { replaces: read, error })
              return onStoreFailure === "fail" ? Effect.fail(failed(error)) : Effect.succeed(brought)
            })
          )
      })

    /** The token that somebody else has stored, or a new one; nobody is asked. */
    const renew = (
      store: TokenStore,
      need: Need,
      isSecond = false
    ): Effect.Effect<Token.Token, RefreshError | TokenStoreError, R> => {
      let hasChanged = false
      return transact(store, need, (stored) =>
        Effect.gen(function* () {
          const unsaved = unsavedOf(need)
          const latest = unsaved !== undefined && replaces(unsaved, stored) ? Option.some(unsaved.token) : stored
          if (Option.isSome(latest) && (yield* serves(latest.value, need))) return latest.value
          yield* Spending.exact(false)
          // Held here and stored nowhere: somebody has logged out.
          const previous = Option.orElse(latest, () => Option.map(need.previous, withoutRefreshToken))
          return yield* Effect.tapError(self.acquire({ ...need, previous, interaction: "forbidden" }), (error) =>
            isRefusal(error)
              ? Effect.map(
                  Effect.orElseSucceed(store.get(name), () => stored),
                  (now) =>
                    (hasChanged = Option.isSome(now) && !Option.exists(stored, (before) => isSame(before, now.value)))
                )
              : Effect.void
          )
        })
      ).pipe(
        // Somebody wrote without the lock, or after it was lost: what he wrote is the newest.
        Effect.catchIf(
          () => hasChanged && !isSecond,
          () => renew(store, need, true)
        )
      )
    }

    /** A token for somebody who cannot read the store, and therefore must not spend what others may have spent. */
    const manage = (
      store: TokenStore,
      need: Need,
      error: TokenStoreError
    ): Effect.Effect<Token.Token, RefreshError, R> => {
      const unsaved = unsavedOf(need)
      const mine = Option.filter(
        Option.fromNullable(unsaved?.token),
        (mine) => Option.isNone(need.previous) || isSame(mine, need.previous.value)
      )
      const isShared =
        Option.isNone(mine) && Option.exists(need.previous, ({ refreshToken }) => Option.isSome(refreshToken))
      if (onStoreFailure === "fail" || error.reason === "LockTimeout" || error.reason === "Conflict" || isShared) {
        // Nobody has logged out: what is held takes the place of what was spoiled.
        if (isShared && error.reason === "Corrupt") {
          owe(store, need, Option.getOrThrow(need.previous), { replaces: undefined, error })
        }
        return Effect.fail(failed(error))
      }
      const previous = Option.orElse(mine, () => need.previous)
      const warning = Effect.suspend(() => {
        if (need.backlog?.warned === error.reason) return Effect.void
        if (need.backlog !== undefined) need.backlog.warned = error.reason
        return Effect.logWarning(`${error.message}; going on without the store`)
      })
      return self.acquire({ ...need, previous }).pipe(
        Effect.locally(Spending.withoutRefreshTokens, Option.isNone(mine)),
        Effect.tap((token) => Effect.sync(() => owe(store, need, token, { replaces: unsaved?.replaces, error }))),
        Effect.zipLeft(warning)
      )
    }

    /** Asks a person, until he has logged in here or elsewhere. */
    const logIn = (store: TokenStore, need: Need): Effect.Effect<Token.Token, RefreshError | TokenStoreError, R> => {
      const previous = Option.map(need.previous, withoutRefreshToken)
      const here = Effect.flatMap(self.acquire({ ...need, previous }), (token) =>
        Effect.catchIf(
          transact(store, need, () => Effect.succeed(token)),
          isStoreError,
          (error) => {
            owe(store, need, token, { replaces: undefined, error })
            return onStoreFailure === "fail" ? Effect.fail(failed(error)) : Effect.succeed(token)
          }
        )
      )
      const soon = Effect.delay(Effect.orElseSucceed(store.get(name), Option.none<Token.Token>), "1 second")
      const elsewhere = merged(store.changes(name), Stream.filterMap(Stream.fromEffect(soon), identity)).pipe(
        Stream.filterEffect((token) => serves(token, need)),
        Stream.runHead,
        Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
      )
      return Effect.raceFirst(Spending.within(here), elsewhere)
    }

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
      // Waiting for the lock takes time too.
      timeLimit: Duration.sum(self.timeLimit, "30 seconds"),
      acquire: (need) =>
        Effect.flatMap(Store, (store) =>
          // Nothing is sent while the lock is waited for.
          Effect.zipRight(Spending.exact(true), renew(store, need)).pipe(
            Effect.catchIf(
              (error) => need.interaction === "allowed" && isForbidden(error),
              () => logIn(store, need)
            ),
            Effect.catchIf(isStoreError, (error) => manage(store, need, error)),
            (effect) => Spending.within(effect)
          )
        ),
      revoke: (held) =>
        Effect.flatMap(Store, (store) => {
          let told: Exit.Exit<void, RevocationError | TokenStoreError> | undefined
          const tell = (tokens: ReadonlyArray<Token.Token>) =>
            Effect.map(Effect.exit(self.revoke(tokens)), (exit) => (told = exit))
          return store
            .transaction(name, (stored) =>
              Effect.map(tell([...held, ...Option.toArray(stored)]), (exit) =>
                Exit.isFailure(exit) && keepUnrevoked ? stored : Option.none()
              )
            )
            .pipe(
              Effect.tapError(() => (told === undefined ? tell(held) : Effect.void)),
              Effect.exit,
              Effect.flatMap((exit) => Exit.zipRight(told ?? Exit.void, Exit.asVoid(exit)))
            )
        }),
      forget: Effect.zipRight(
        Effect.flatMap(Store, (store) => store.remove(name)),
        self.forget
      ),
      updates: Stream.suspend(() =>
        merged<Token.Token, R | TokenStore>(
          Stream.filterEffect(Stream.unwrap(Effect.map(Store, (store) => store.changes(name))), (token) =>
            Token.isSendable(token) ? isOurs(token) : Effect.succeed(false)
          ),
          self.updates
        )
      )
    })
  }
)

/** Not from the store's own module: that brings files, locks and encryption along. */
const Store: Context.Tag<TokenStore, TokenStore> = Tags.tokenStore

const isStoreError = (error: RefreshError | TokenStoreError): error is TokenStoreError =>
  error._tag === "TokenStoreError"

const isForbidden = (error: RefreshError | TokenStoreError): boolean =>
  error._tag === "RefreshError" && error.reason._tag === "Interaction" && error.reason.kind === "Forbidden"

/** Whether somebody else may have spent what was offered. */
const isRefusal = (error: RefreshError): boolean =>
  isForbidden(error) ||
  error.reason._tag === "ReauthenticationRequired" ||
  (error.reason._tag === "Rejected" && error.reason.code === "invalid_grant")

const isSame = (self: Token.Token, that: Token.Token): boolean =>
  Token.isSame(self, that) && Equal.equals(self.refreshToken, that.refreshToken)

/** Whether a token that could not be stored is newer than what is. */
const replaces = (unsaved: Pick<Unsaved, "token" | "replaces">, stored: Option.Option<Token.Token>): boolean =>
  Option.match(stored, {
    // If there was something before, somebody has removed it since.
    onNone: () => unsaved.replaces === undefined || Option.isNone(unsaved.replaces),
    onSome: (stored) =>
      (unsaved.replaces !== undefined && Option.exists(unsaved.replaces, (before) => isSame(before, stored))) ||
      DateTime.lessThan(stored.issuedAt, unsaved.token.issuedAt)
  })

/** Only what renews it. */
const withoutAccessToken = (token: Token.Token): Token.Token => ({
  ...token,
  accessToken: Redacted.make(""),
  expiresAt: Option.some(token.issuedAt)
})

const lastsFor = (token: Token.Token, now: DateTime.Utc, validFor: Duration.Duration) =>
  Option.match(token.expiresAt, {
    onNone: () => true,
    onSome: (expiresAt) => DateTime.distance(now, expiresAt) > Duration.toMillis(validFor)
  })

/**
 * Verifies the ID token that comes with each token, before anybody sees or stores either: a login of somebody else, or a forged one, is a
 * `RefreshError` with reason `WrongUser` or `InvalidResponse`. Logins with the scope `openid` do this by themselves.
 *
 * **Details** – the keys are fetched before anything is spent, so that a rotated refresh token is not lost because they cannot be had; if a renewal brings a token with a newer
 * key, and that cannot be fetched, its claims alone are checked (see `IdToken.verifying`). A renewal has to be of the same person; one without an ID token keeps the login's. Whom the verifier expects is a part of the provider's key, so that {@link persisted},
 * around it, never finds somebody else's token.
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
} = /* @__PURE__ */ dual(2, <R>(self: Provider<R>, verifier: IdToken.Verifier): Provider<R | HttpClient> =>
  make<R | HttpClient>({
    ...self,
    key: verifier.expected === undefined ? self.key : Option.map(self.key, (key) => keyOf(key, verifier.expected)),
    acquire: (need) =>
      self.acquire(need).pipe(IdToken.verifying(verifier, { provider: self.name, previous: need.previous })),
    check: Effect.zipRight(self.check, verifier.check(self.name))
  })
)

/**
 * Gives a provider what it needs of its context: a store, say, that no other provider is to use.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Layer.build(TokenStore.layerMemory())
 *   const provider = StaticToken.make({ token: "s3cret" }).pipe(Provider.persisted("me"), Provider.provide(store))
 *   console.log(provider.name)
 * })
 * Effect.runSync(Effect.scoped(program))
 * // StaticToken
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const provide: {
  <R2>(context: Context.Context<R2>): <R>(self: Provider<R>) => Provider<Exclude<R, R2>>
  <R, R2>(self: Provider<R>, context: Context.Context<R2>): Provider<Exclude<R, R2>>
} = /* @__PURE__ */ dual(2, <R, R2>(self: Provider<R>, context: Context.Context<R2>): Provider<Exclude<R, R2>> =>
  make<Exclude<R, R2>>({
    ...self,
    acquire: (need) => Effect.provide(self.acquire(need), context),
    revoke: (held) => Effect.provide(self.revoke(held), context),
    forget: Effect.provide(self.forget, context),
    updates: self.updates === Stream.empty ? Stream.empty : Stream.provideSomeContext(self.updates, context),
    check: Effect.provide(self.check, context)
  })
)

/**
 * Begins with a token that is there already, from a file or another program, for as long as it lives; its refresh token is the first to be spent.
 *
 * **Details** – `token` is run whenever nothing is held, so also after `forget`. Put it outside of {@link refreshable}, and inside of {@link persisted}.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Provider from "effect-credentials/Provider"
 * import * as Token from "effect-credentials/Token"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { DateTime, Effect, Option, Redacted } from "effect"
 *
 * const held = Token.make({ accessToken: Redacted.make("held"), issuedAt: DateTime.unsafeMake(0) })
 * const provider = TokenFactory.make({ token: Effect.succeed("another") }).pipe(Provider.startingWith(Effect.succeedSome(held)))
 * const program = Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)
 * console.log(Redacted.value(Effect.runSync(Effect.scoped(program)).accessToken))
 * // held
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const startingWith: {
  <R2>(token: Effect.Effect<Option.Option<Token.Token>, RefreshError, R2>): <R>(self: Provider<R>) => Provider<R | R2>
  <R, R2>(self: Provider<R>, token: Effect.Effect<Option.Option<Token.Token>, RefreshError, R2>): Provider<R | R2>
} = /* @__PURE__ */ dual(
  2,
  <R, R2>(self: Provider<R>, token: Effect.Effect<Option.Option<Token.Token>, RefreshError, R2>): Provider<R | R2> =>
    make<R | R2>({
      ...self,
      acquire: (need) =>
        Option.isSome(need.previous)
          ? self.acquire(need)
          : Effect.zipWith(token, DateTime.now, (previous, now): Effect.Effect<Token.Token, RefreshError, R> =>
              Option.isSome(previous) &&
              Token.isSendable(previous.value) &&
              lastsFor(previous.value, now, need.validFor)
                ? Effect.succeed(previous.value)
                : self.acquire({ ...need, previous })
            ).pipe(Effect.flatten)
    })
)

/**
 * Another provider for when this one cannot succeed: `self` was refused, or its login failed. A passing failure (`isRetryable`) or an ambiguous one
 * is not a reason to ask somebody else, nor is a login that is needed in the background, where nobody may be asked for it: that is left to the first caller.
 *
 * **Details** – a token of the other provider is renewed, and revoked, by that one; each server only ever sees its own tokens. So that
 * this holds after a restart too, a token says in its `extra` of which of both it is; one of neither, whose place another provider has taken since, is shown to nobody.
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
} = /* @__PURE__ */ dual(2, <R, R2>(self: Provider<R>, that: Provider<R2>): Provider<R | R2> => {
  const [selfs, thats] = [`first ${Provenance.idOf(self)}`, `else ${Provenance.idOf(that)}`]
  const isThats = (token: Token.Token) => Provenance.isOf(token, thats)
  // What neither has left, others did that had their places: it is shown to nobody.
  const isSelfs = (token: Token.Token) =>
    !isThats(token) && (Provenance.isOf(token, selfs) || !Provenance.isMarked(token))
  const asSelf = (need: Need): Effect.Effect<Token.Token, RefreshError, R | R2> =>
    Effect.map(self.acquire(need), (token) => Provenance.mark(token, selfs))
  const asThat = (need: Need): Effect.Effect<Token.Token, RefreshError, R | R2> =>
    Effect.map(that.acquire(need), (token) => Provenance.mark(token, thats))
  const orElse = <A>(
    first: Effect.Effect<A, RefreshError, R | R2>,
    second: () => Effect.Effect<A, RefreshError, R | R2>
  ): Effect.Effect<A, RefreshError, R | R2> =>
    Effect.catchIf(
      first,
      (error) => !error.isRetryable && error.reason._tag !== "Ambiguous" && !isForbidden(error),
      second
    )
  return make<R | R2>({
    ...self,
    acquire: (need) => {
      const anew = { ...need, previous: Option.none() }
      return Option.exists(need.previous, isThats)
        ? orElse(asThat(need), () => asSelf(anew))
        : orElse(asSelf(Option.exists(need.previous, isSelfs) ? need : anew), () => asThat(anew))
    },
    timeLimit: Duration.sum(self.timeLimit, that.timeLimit),
    // Each server hears of what is its own; whatever becomes of the one, the other is told too.
    revoke: (held) => {
      const [ours, theirs] = [held.filter(isSelfs), held.filter(isThats)]
      return Effect.zipWith(Effect.exit(self.revoke(ours)), Effect.exit(that.revoke(theirs)), (first, second) =>
        Exit.zipRight(first, second)
      ).pipe(Effect.flatten)
    },
    forget: Effect.zipRight(self.forget, that.forget),
    updates:
      self.updates === Stream.empty && that.updates === Stream.empty
        ? Stream.empty
        : merged<Token.Token, R | R2>(
            Stream.map(self.updates, (token) => Provenance.mark(token, selfs)),
            Stream.map(that.updates, (token) => Provenance.mark(token, thats))
          ),
    check: Effect.zipRight(self.check, that.check)
  })
})

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
  /** A refresh token or an API key that stands for whom the tokens are for: a fingerprint of it is a part of the key. Default: none does. */
  readonly credential?: Redacted.Redacted | undefined
  /** Who must have logged in: a part of the key too, so that nobody else's stored token is ever used. Default: whom the `verifier` expects. */
  readonly expected?: IdToken.Options["expected"]
  /** What verifies the ID tokens that renewals bring; `acquire` verifies its own. Default: nothing. */
  readonly verifier?: IdToken.Verifier | undefined
  /** What has to be checked beside the options of the endpoint. Default: nothing. */
  readonly check?: Effect.Effect<void, InvalidOption> | undefined
}

/**
 * A provider that obtains tokens from a token endpoint in a way of its own, such as a login. It checks the options, refreshes with the refresh
 * token once it holds one, revokes (RFC 7009: the refresh token first, then the access token) and derives a key for stores.
 *
 * **Details** – everything that decides which token it is goes into the key. `parameters` with a value that is redacted cannot, so there is no key then.
 *
 * With a proof of possession (`DPoP`), a public client's refresh token that was issued for another key is not even offered: `Assertion`.
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
  given: GrantOptions,
  acquire: (
    need: Need,
    endpoint: TokenEndpoint.TokenEndpoint
  ) => Effect.Effect<Token.Token, RefreshError, R | HttpClient>,
  more?: EndpointOptions
): Provider<R | HttpClient> => {
  // What a server's discovery has found is kept. The endpoint itself is made whenever it is needed: it is several times the size of all that it is made from.
  const { server } = TokenEndpoint.make(name, given)
  const options = own({ ...given, server, issuer: undefined, tokenEndpoint: undefined })
  const endpoint = () => TokenEndpoint.make(name, options)
  return make<R | HttpClient>({
    name,
    acquire: (need) => {
      const at = endpoint()
      const first = (need: Need) => acquire(need, at)
      const obtain =
        more?.refreshes === false
          ? first
          : refreshing(first, (refreshToken, { previous }) => {
              const refreshed = TokenEndpoint.exchange(at, Grant.refreshToken(refreshToken))
              return more?.verifier === undefined
                ? refreshed
                : IdToken.verifying(refreshed, more.verifier, { provider: name, previous })
            })
      return Effect.zipRight(checkKey(at, need.previous), obtain(need))
    },
    key: Object.values(options.parameters ?? {}).some(Redacted.isRedacted)
      ? Option.none()
      : Option.some(
          keyOf(
            name,
            server.id,
            options.clientId,
            more?.subject,
            Array.from(options.scope ?? []).sort(),
            options.audience,
            options.resource,
            // Some pass on whatever stands in a file.
            options.parameters === undefined ? undefined : fingerprint(Redacted.make(keyOf(options.parameters))),
            more?.expected ?? more?.verifier?.expected,
            more?.credential === undefined ? undefined : fingerprint(more.credential)
          )
        ),
    authorization: options.authorization ?? Authorization.bearer,
    timeLimit: more?.timeLimit ?? (options.timeLimit === undefined ? timeLimit : Duration.decode(options.timeLimit)),
    revoke: (held) => revoke(endpoint(), held),
    check: Effect.suspend(() =>
      TokenEndpoint.check(endpoint()).pipe(
        Effect.zipRight(Option.match(Grant.check(name, options), { onNone: () => Effect.void, onSome: Effect.fail })),
        Effect.zipRight(more?.check ?? Effect.void)
      )
    )
  })
}

/** A key: the same for the same parts, in whatever order a record has its members. */
const keyOf = (
  ...parts: ReadonlyArray<string | ReadonlyArray<string> | Readonly<Record<string, unknown>> | undefined>
) =>
  JSON.stringify(
    parts.map((part) =>
      typeof part === "object" && !Array.isArray(part) ? Object.entries(part).sort() : (part ?? null)
    )
  )

/** Whether or not the server takes the one, it hears of the others. */
const revoke = (
  endpoint: TokenEndpoint.TokenEndpoint,
  held: ReadonlyArray<Token.Token>
): ReturnType<typeof TokenEndpoint.revoke> => {
  const revoked = (tokens: ReadonlyArray<Redacted.Redacted>, hint: "access_token" | "refresh_token") =>
    Arr.dedupe(tokens).map((token) => Effect.exit(TokenEndpoint.revoke(endpoint, token, hint)))
  return Effect.all([
    ...revoked(
      Arr.filterMap(held, ({ refreshToken }) => refreshToken),
      "refresh_token"
    ),
    ...revoked(
      Arr.map(held.filter(Token.isSendable), ({ accessToken }) => accessToken),
      "access_token"
    )
  ]).pipe(Effect.flatMap(Effect.all), Effect.asVoid)
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
 * **Details** – where there are several `Sources`, each is asked for the whole record, in order, and the first that has *any* of the settings decides
 * alone: settings of different sources are never mixed. A setting with a default (`Config.option`, `Config.withDefault`) may be absent;
 * where nothing but such settings is there, such as a `SCOPE` that is meant for something else, the provider is not configured.
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
  make: (settings: A) => Provider<R>
): Effect.Effect<Provider<R>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Effect.gen(function* () {
    const sources = yield* Sources.current
    // With the environment alone there is nothing to tell about sources.
    const isUsual = sources.length === 1 && sources[0] === Sources.environment
    let answer = yield* ask(name, settings, sources[0])
    for (const source of sources.slice(1)) {
      if (answer.found.size > 0) break
      const next = yield* ask(name, settings, source)
      if (next.found.size > 0) answer = next
    }
    const { found, missing, source, values } = answer
    if (missing.length === 0) {
      if (!isUsual && found.size > 0) yield* Effect.logDebug(`${name}: its settings come from ${source.name}`)
      return make(values as A)
    }
    const elsewhere: Array<{ readonly source: string; readonly present: ReadonlyArray<string> }> = []
    let isMeant = answer.isMeant
    for (const other of found.size === 0 ? [] : sources.slice(sources.indexOf(source) + 1)) {
      // A source that cannot be read has nothing to add to what is told anyway.
      const answer = yield* Effect.either(ask(name, settings, other))
      if (Either.isLeft(answer)) continue
      isMeant ||= answer.right.isMeant
      const present = Array.from(answer.right.found).filter((name) => !found.has(name))
      if (present.length > 0) elsewhere.push({ source: other.name, present })
    }
    if (!isMeant) {
      const names = sources.map(({ name }) => name)
      return yield* new MissingCredentials({ provider: name, missing, ...(isUsual ? {} : { sources: names }) })
    }
    return yield* new PartialCredentials({
      provider: name,
      present: Array.from(found),
      missing,
      ...(isUsual ? {} : { source: source.name }),
      ...(elsewhere.length === 0 ? {} : { elsewhere })
    })
  })

/** What one source has of a provider's settings. */
interface Answer {
  readonly source: Sources.Source
  readonly values: Readonly<Record<string, unknown>>
  readonly found: ReadonlySet<string>
  /** Whether any of them is one that the provider needs: `SCOPE` alone may be there for something else. */
  readonly isMeant: boolean
  readonly missing: ReadonlyArray<string>
}

/** Whether a provider can do without a setting. */
const isOptional = (config: Config.Config<unknown>): Effect.Effect<boolean> =>
  Effect.isSuccess(Effect.withConfigProvider(config, ConfigProvider.fromMap(new Map())))

const ask = (name: string, settings: object, source: Sources.Source): Effect.Effect<Answer, InvalidOption> =>
  Effect.gen(function* () {
    const configProvider = yield* source.configProvider
    const found = new Set<string>()
    let isMeant = false
    const values: Record<string, unknown> = {}
    const missing: Array<string> = []
    for (const [option, config] of Object.entries<Config.Config<unknown>>(settings as any)) {
      const { found: ofIt, provider } = Settings.watched(configProvider)
      const value = yield* Effect.either(Effect.withConfigProvider(config, provider))
      ofIt.forEach((name) => found.add(name))
      if (ofIt.size > 0 && !isMeant) isMeant = !(yield* isOptional(config))
      if (Either.isRight(value)) values[option] = value.right
      else if (ConfigError.isMissingDataOnly(value.left)) missing.push(Settings.missingNames(value.left))
      // The ConfigError would quote the value.
      else return yield* new InvalidOption({ provider: name, option, expected: `of the right form in ${source.name}` })
    }
    return { source, values, found, isMeant, missing }
  })

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
