/**
 * Tokens that are worth nothing without a key (DPoP, RFC 9449): who steals one cannot use it.
 *
 * Give {@link make} to a provider as its `authorization`: its tokens are then asked for with a proof that the key is held, and every request to an API carries one too. The
 * authorization server and the API must both support it.
 *
 * **Details** – a proof is made anew for every request: for its method, its address and its token, valid for that request only. Where a server wants a
 * nonce of its own in it (`use_dpop_nonce`), that is remembered for the origin, and the request is sent once more; a refresh token is not spent by that. A server
 * that issues a plain bearer token instead is refused with `InvalidResponse`.
 *
 * **Gotchas** – the key is the one thing that must not be shared: call {@link make} once for each set of credentials. Tokens that are kept in a store outlive a
 * key that is made when the program starts: give it one that lasts as long.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as DPoP from "effect-credentials/DPoP"
 * import { Layer } from "effect"
 *
 * const CredentialsLive = ClientCredentials.layer({
 *   issuer: "https://id.example.com",
 *   clientId: "my-service",
 *   clientSecret: "s3cret",
 *   authorization: DPoP.make()
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Authorization from "./Authorization.ts"
import type { Algorithm } from "./ClientAuthentication.ts"
import * as Jose from "./internal/jose.ts"
import * as Lock from "./internal/lock.ts"
import * as Proof from "./protocol/Proof.ts"
import * as TokenResponse from "./protocol/TokenResponse.ts"
import type { Token } from "./Token.ts"

/**
 * The key that tokens are bound to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The private key: PEM (PKCS#8, PKCS#1 or SEC1; not encrypted), a JWK (an object or its JSON), or a pair of CryptoKeys, of which the public one can be exported. Default: a new
   * one, made with Web Crypto when it is needed, which nobody can read and which is gone when the program ends.
   */
  readonly key?: string | Redacted.Redacted | JsonWebKey | CryptoKeyPair | undefined
  /** How the key signs. Default: `"ES256"`, which every server that knows DPoP understands. */
  readonly algorithm?: Algorithm | undefined
}

/**
 * `Authorization: DPoP <token>` with a proof for every request, for the `authorization` option of a provider.
 *
 * **Details** – a key that does not fit the algorithm is found while the provider's layer is built: `InvalidOption`. A token that was issued for another key (it
 * came out of a store) is never sent: `RefreshError` with reason `Assertion`.
 *
 * @example
 * ```ts
 * import * as DPoP from "effect-credentials/DPoP"
 *
 * console.log(DPoP.make().names)
 * // [ 'authorization', 'dpop' ]
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc9449>
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Authorization.Authorization => {
  const key = keyOf(options)
  const nonces = new Map<string, string>()
  const hashes = new WeakMap<Token, string>()

  const hashOf = (token: Token): Effect.Effect<string> =>
    Effect.suspend(() => {
      const known = hashes.get(token)
      return known !== undefined
        ? Effect.succeed(known)
        : Effect.tap(sha256(token.accessToken), (hash) => Effect.sync(() => hashes.set(token, hash)))
    })

  const accepts = (token: Token): Effect.Effect<void, string> =>
    Effect.flatMap(key, ({ thumbprint }) =>
      Option.exists(TokenResponse.boundTo(token), (boundTo) => boundTo !== thumbprint)
        ? Effect.fail(foreign)
        : Effect.void
    )

  const sign = ({ method, token, url }: Authorization.ProvenRequest): Effect.Effect<Authorization.Signed, string> =>
    Effect.gen(function* () {
      const { publicKey, signer } = yield* key
      if (Option.isSome(token)) yield* accepts(token.value)
      const { origin } = new URL(url)
      const nonce = nonces.get(origin)
      const claims = Proof.claims({
        method,
        url,
        id: Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(16))),
        now: yield* DateTime.now,
        tokenHash: Option.getOrUndefined(yield* Effect.transposeOption(Option.map(token, hashOf))),
        nonce
      })
      return {
        headers: { dpop: yield* Jose.sign(signer, { typ: "dpop+jwt", jwk: publicKey }, claims) },
        learn: (answer, error) => {
          const given = Option.getOrUndefined(Proof.nonce(answer.headers))
          if (given !== undefined) nonces.set(origin, given)
          return given !== nonce && Proof.wantsNonce(answer, error)
        }
      }
    })

  const thumbprint = Effect.map(key, ({ thumbprint }) => thumbprint)
  return Authorization.scheme("DPoP").pipe(Authorization.withProof({ names: ["dpop"], thumbprint, accepts, sign }))
}

const foreign = "the token held was issued for another key; give the key that it was issued for, or forget the token"

/** The key, read or made when it is first needed, once. */
const keyOf = ({ algorithm = "ES256", key }: Options = {}): Effect.Effect<Jose.KeyPair, string> => {
  const one = Lock.make()
  let known: Jose.KeyPair | undefined
  const load = Effect.suspend(() =>
    known !== undefined
      ? Effect.succeed(known)
      : Effect.tap(Jose.keyPair(Redacted.isRedacted(key) ? Redacted.value(key) : key, algorithm), (pair) =>
          Effect.sync(() => (known = pair))
        )
  )
  return Effect.suspend(() => (known !== undefined ? Effect.succeed(known) : one(load)))
}

const sha256 = (secret: Redacted.Redacted): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(Redacted.value(secret)))),
    (hash) => Encoding.encodeBase64Url(new Uint8Array(hash))
  )
