/**
 * Where tokens outlive the credentials that obtained them.
 *
 * `Provider.persisted` uses it: who holds a credential's lock reads the token again before spending its refresh token, so that
 * those who share a store renew once.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Provider from "effect-credentials/Provider"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const provider = StaticToken.make({ token: Redacted.make("s3cret") }).pipe(Provider.persisted("me"))
 * const CredentialsLive = Layer.provide(Credentials.layer(provider), TokenStore.layerMemory())
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(program.pipe(Effect.provide(CredentialsLive))).then((token) => console.log(token.tokenType))
 * // bearer
 * ```
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { TokenStoreError } from "./CredentialsError.ts"
import * as Lock from "./internal/lock.ts"
import type * as Token from "./Token.ts"

/**
 * A place for tokens, one per key.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenStore {
  /** The token under a key. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Token.Token>, TokenStoreError>
  /** Forgets the token under a key, once nobody holds its lock. Nothing there is fine. */
  readonly remove: (key: string) => Effect.Effect<void, TokenStoreError>
  /** All keys that hold a token. */
  readonly list: Effect.Effect<ReadonlyArray<string>, TokenStoreError>
  /**
   * The only way to write: takes the key's lock, reads, runs `f` with what is stored and stores what it returns, before anybody sees it; none removes
   * what is there. Waiting for the lock and `f` can be interrupted; from the end of `f` to the completed write nothing can. If `f` fails, or
   * returns what it was given, nothing is written. Fails with `Conflict` rather than overwrite what somebody else has stored meanwhile.
   */
  readonly transaction: <E, R>(
    key: string,
    f: (stored: Option.Option<Token.Token>) => Effect.Effect<Option.Option<Token.Token>, E, R>
  ) => Effect.Effect<Option.Option<Token.Token>, E | TokenStoreError, R>
  /**
   * The tokens that are stored under a key from now on, whoever stores them, each once and in their order. Of several within a moment it may be only the
   * last.
   */
  readonly changes: (key: string) => Stream.Stream<Token.Token>
}

/**
 * The token store of a program.
 *
 * @category tags
 * @since 0.1.0
 */
export const TokenStore: Context.Tag<TokenStore, TokenStore> = Context.GenericTag("effect-credentials/TokenStore")

/**
 * A store in memory: for tests, and for several credentials of one process that share a login. Each call makes another store.
 *
 * @example
 * ```ts
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * console.log(Effect.runSync(program.pipe(Effect.provide(TokenStore.layerMemory()))))
 * // []
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (): Layer.Layer<TokenStore> =>
  Layer.effect(
    TokenStore,
    Effect.map(PubSub.sliding<readonly [key: string, token: Token.Token]>(256), (written): TokenStore => {
      const tokens = new Map<string, Token.Token>()
      const lockOf = Lock.keyed()
      const get = (key: string) => Effect.sync(() => Option.fromNullable(tokens.get(key)))
      return {
        get,
        remove: (key) => lockOf(key)(Effect.sync(() => tokens.delete(key))),
        list: Effect.sync(() => Array.from(tokens.keys())),
        transaction: (key, f) =>
          lockOf(key)(
            Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(get(key), (stored) =>
                Effect.tap(restore(f(stored)), (after) => {
                  if (Option.isNone(after)) return Effect.sync(() => tokens.delete(key))
                  if (Option.contains(stored, after.value)) return Effect.void
                  tokens.set(key, after.value)
                  return PubSub.publish(written, [key, after.value] as const)
                })
              )
            )
          ),
        changes: (key) =>
          Stream.filterMap(Stream.fromPubSub(written), ([where, token]) =>
            where === key ? Option.some(token) : Option.none()
          )
      }
    })
  )
