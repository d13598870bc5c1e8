/**
 * How a client proves to an authorization server who it is: one function per method.
 *
 * Most servers take a secret with {@link clientSecretBasic}, which is what `clientSecret` in a provider's options is short for. Reach for the others where the
 * server's documentation says so. Secrets and keys may be given as an `Effect`: it runs at every attempt, so that a rotated one
 * is picked up without a restart.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import { Redacted } from "effect"
 *
 * const authentication = ClientAuthentication.clientSecretPost(Redacted.make("s3cret"))
 * console.log(authentication.method)
 * // client_secret_post
 * ```
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidOption, RefreshError } from "./CredentialsError.ts"
import * as Certificate from "./internal/certificate.ts"
import * as Jose from "./internal/jose.ts"
import * as Signing from "./internal/signing.ts"
import * as Text from "./internal/text.ts"
import * as Assertion from "./protocol/Assertion.ts"
import * as TokenRequest from "./protocol/TokenRequest.ts"

/**
 * How a client proves who it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientAuthentication {
  /** The method's name in `token_endpoint_auth_methods_supported` (RFC 8414 §2). */
  readonly method: string
  /** Fails if an option cannot work, before anything is sent; providers run it while their layer is built. What is given as an `Effect` is not looked at. */
  readonly check: (provider: string) => Effect.Effect<void, InvalidOption>
  /** Adds the proof to a request. Runs at every attempt. */
  readonly apply: (
    request: TokenRequest.TokenRequest,
    context: Context
  ) => Effect.Effect<TokenRequest.TokenRequest, RefreshError>
  /** Whether requests go where the server wants to see a certificate: to its `mtls_endpoint_aliases` (RFC 8705 §5), if it has any. Default: false. */
  readonly isMutualTls?: boolean | undefined
}

/**
 * Who asks whom, when a proof is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Context {
  /** Whom errors speak of. */
  readonly provider: string
  /** The client's identifier. */
  readonly clientId: string
  /** The server's token endpoint, also where the request itself goes to another endpoint of the same server. */
  readonly tokenEndpoint: string
  /** The server's issuer, if it is known. */
  readonly issuer: Option.Option<string>
}

/**
 * A secret: as it is, or read anew at every attempt.
 *
 * @category models
 * @since 0.1.0
 */
export type Secret = string | Redacted.Redacted | Effect.Effect<string | Redacted.Redacted, RefreshError>

/**
 * A private key: PEM (PKCS#8, PKCS#1 or SEC1; not encrypted), JWK (an object or its JSON), or a CryptoKey that may sign; as it is, or read anew at every attempt.
 *
 * @category models
 * @since 0.1.0
 */
export type PrivateKey = KeyMaterial | Effect.Effect<KeyMaterial, RefreshError>

/**
 * What a {@link PrivateKey} is given as.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyMaterial = string | Redacted.Redacted | JsonWebKey | CryptoKey

/**
 * Signatures made with a private key (RFC 7518 §3.1, RFC 8037).
 *
 * @category models
 * @since 0.1.0
 */
export type Algorithm =
  "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "ES512" | "EdDSA"

/**
 * Who the client is, in a provider's options. `clientSecret` is short for {@link clientSecretBasic}; with neither, it is a public client: {@link none}, which
 * `ClientCredentials` wants to be told in so many words.
 *
 * @category models
 * @since 0.1.0
 */
export type Client = {
  /** The client's identifier, as registered at the server. */
  readonly clientId: string
} & (
  | {
      /** The client's secret, sent with HTTP Basic authentication. An `Effect` is run at every attempt. */
      readonly clientSecret: Secret
      readonly authentication?: undefined
    }
  | {
      /** How the client proves who it is. */
      readonly authentication: ClientAuthentication
      readonly clientSecret?: undefined
    }
  | { readonly clientSecret?: undefined; readonly authentication?: undefined }
)

/**
 * How the client in a provider's options proves who it is.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * console.log(ClientAuthentication.fromClient({ clientId: "me", clientSecret: "s3cret" }).method)
 * // client_secret_basic
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromClient = (client: Client): ClientAuthentication =>
  client.authentication ?? (client.clientSecret === undefined ? none : clientSecretBasic(client.clientSecret))

/**
 * No proof: a public client only says its name (RFC 6749 §3.2.1).
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * console.log(ClientAuthentication.none.method)
 * // none
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: ClientAuthentication = {
  method: "none",
  check: () => Effect.void,
  apply: (request, { clientId }) => Effect.succeed(TokenRequest.withParam(request, "client_id", clientId))
}

/**
 * Nothing at all, not even a name: for grants that say by themselves who asks, at servers that know no clients (RFC 7521 §4.1).
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * console.log(ClientAuthentication.anonymous.method)
 * // none
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const anonymous: ClientAuthentication = {
  method: "none",
  check: () => Effect.void,
  apply: Effect.succeed
}

/**
 * The certificate that the HttpClient shows when it connects, issued by an authority that the server trusts (RFC 8705 §2.1): the request itself only says who the client is.
 *
 * **Details** – key and certificate are given to the HttpClient, once, and with it to API requests too, which tokens bound to the certificate need: to `Undici.Agent` on Node,
 * to `FetchHttpClient.RequestInit` on Bun (`tls`) and Deno (`client`). A new certificate takes a new HttpClient. Requests go to the server's `mtls_endpoint_aliases` where it has any.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 *
 * const provider = ClientCredentials.make({
 *   issuer: "https://id.example.com",
 *   clientId: "me",
 *   authentication: ClientAuthentication.tlsClientAuth
 * })
 * console.log(provider.name, ClientAuthentication.tlsClientAuth.method)
 * // ClientCredentials tls_client_auth
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8705#section-2.1>
 * @category constructors
 * @since 0.1.0
 */
export const tlsClientAuth: ClientAuthentication = /* @__PURE__ */ (() => ({
  ...none,
  method: "tls_client_auth",
  isMutualTls: true
}))()

/**
 * The certificate that the HttpClient shows when it connects, one that the server knows by itself (RFC 8705 §2.2). Otherwise as {@link tlsClientAuth}.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * console.log(ClientAuthentication.selfSignedTlsClientAuth.method)
 * // self_signed_tls_client_auth
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8705#section-2.2>
 * @category constructors
 * @since 0.1.0
 */
export const selfSignedTlsClientAuth: ClientAuthentication = /* @__PURE__ */ (() => ({
  ...tlsClientAuth,
  method: "self_signed_tls_client_auth"
}))()

/**
 * Another proof, sent where the server sees the certificate that the HttpClient shows, so that tokens are bound to it (RFC 8705 §3).
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * const authentication = ClientAuthentication.overMutualTls(ClientAuthentication.clientSecretBasic("s3cret"))
 * console.log(authentication.method, authentication.isMutualTls)
 * // client_secret_basic true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8705#section-3>
 * @category combinators
 * @since 0.1.0
 */
export const overMutualTls = (authentication: ClientAuthentication): ClientAuthentication => ({
  ...authentication,
  isMutualTls: true
})

/**
 * Who the client is where a grant may do without one.
 *
 * @category models
 * @since 0.1.0
 */
export type OptionalClient =
  Client | { readonly clientId?: undefined; readonly clientSecret?: undefined; readonly authentication?: undefined }

/**
 * A provider's options with a client in them: {@link anonymous} if there is none.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * console.log(ClientAuthentication.orAnonymous({ scope: ["read"] }).clientId)
 * // anonymous
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const orAnonymous = <A extends object>(options: A): A & Client => {
  const { authentication, clientId, clientSecret } = options as OptionalClient
  // Who has a secret has a name too: it is missing then, and found out by the check.
  return (
    clientId === undefined && clientSecret === undefined && authentication === undefined
      ? { ...options, clientId: "anonymous", authentication: anonymous }
      : options
  ) as A & Client
}

/**
 * The secret in an HTTP Basic header (RFC 6749 §2.3.1): what servers must support.
 *
 * **Gotchas** – the specification wants id and secret form-encoded before they are joined. Servers that never decode refuse a secret with special characters: for those,
 * `raw: true`.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import { Effect, Redacted } from "effect"
 *
 * const secret = Effect.sync(() => Redacted.make("read anew every time"))
 * console.log(ClientAuthentication.clientSecretBasic(secret).method)
 * // client_secret_basic
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1>
 * @category constructors
 * @since 0.1.0
 */
export const clientSecretBasic = (
  secret: Secret,
  options?: {
    /** Send id and secret as they are, for servers that do not decode. Default: false. */
    readonly raw?: boolean | undefined
  }
): ClientAuthentication =>
  withSecret("client_secret_basic", secret, Either.right, (request, { clientId, provider }, secret) =>
    options?.raw === true && clientId.includes(":")
      ? asAssertion(provider, Effect.fail("a client id without a colon where Basic is raw"))
      : Effect.succeed(TokenRequest.withBasic(request, clientId, secret, options))
  )

/**
 * The secret in the body (RFC 6749 §2.3.1), for servers that do not take Basic.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 *
 * console.log(ClientAuthentication.clientSecretPost("s3cret").method)
 * // client_secret_post
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientSecretPost = (secret: Secret): ClientAuthentication =>
  withSecret("client_secret_post", secret, Either.right, (request, { clientId }, secret) =>
    Effect.succeed(
      TokenRequest.withParam(TokenRequest.withParam(request, "client_id", clientId), "client_secret", secret)
    )
  )

/**
 * An assertion that somebody else has signed (RFC 7523 §2.2): workload identity federation, where a platform vouches for the program that runs on it.
 *
 * **Details** – an `Effect` is run at every attempt, as such assertions are short-lived: see `WorkloadIdentity` for where they come from, and give those their
 * layers with `Effect.provide`.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect } from "effect"
 *
 * const projected = WorkloadIdentity.file("/var/run/secrets/tokens/token").pipe(Effect.provide(NodeFileSystem.layer))
 * console.log(ClientAuthentication.assertion(projected).method)
 * // private_key_jwt
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const assertion = (source: Secret): ClientAuthentication =>
  withSecret(
    "private_key_jwt",
    source,
    Either.right,
    (request, { clientId }, secret) => Effect.succeed(Assertion.asClient(request, clientId, secret)),
    "assertion"
  )

/**
 * A short-lived assertion, signed with the secret (OpenID Connect Core §9): the secret itself is never sent.
 *
 * **Details** – as for {@link privateKeyJwt}. The secret must be at least as long as the hash: 32 bytes for HS256 (RFC 7518 §3.2).
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import { Effect } from "effect"
 *
 * const authentication = ClientAuthentication.clientSecretJwt("too short")
 * console.log(Effect.runSync(Effect.flip(authentication.check("ClientCredentials"))).expected)
 * // a secret of at least 32 bytes for HS256
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientSecretJwt = (
  secret: Secret,
  options?: Assertion.Validity & {
    /** How the secret signs. Default: `"HS256"`. */
    readonly algorithm?: "HS256" | "HS384" | "HS512" | undefined
  }
): ClientAuthentication => {
  const signer = (secret: string) => Jose.hmacSigner(secret, options?.algorithm ?? "HS256")
  const self = withSecret("client_secret_jwt", secret, signer, (request, context, secret) =>
    Effect.flatMap(asAssertion(context.provider, signer(Redacted.value(secret))), (signer) =>
      assert(request, context, signer, {}, options)
    )
  )
  return { ...self, check: (provider) => Effect.zipRight(checkAssertion(provider, options), self.check(provider)) }
}

/**
 * A short-lived assertion, signed with a private key that never leaves the client (RFC 7523 §2.2).
 *
 * **Details** – every attempt, also a repeated one, makes a fresh assertion: `iss` and `sub` are the client, `aud` is the token endpoint unless
 * said otherwise, `iat` is now, `exp` comes 1 minute later, `jti` has 128 random bits. A key that does not fit the
 * algorithm, an RSA key under 2048 bits and an encrypted PEM are found while the layer is built.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import { Effect } from "effect"
 *
 * const authentication = ClientAuthentication.privateKeyJwt({ key: "no key", algorithm: "ES256", keyId: "2024" })
 * const problem = await Effect.runPromise(Effect.flip(authentication.check("ClientCredentials")))
 * console.log(problem.expected)
 * // a private key in PEM (PKCS#8, PKCS#1 or SEC1)
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc7523#section-3>
 * @category constructors
 * @since 0.1.0
 */
export const privateKeyJwt = (
  options: Assertion.KeyName &
    Assertion.Validity & {
      /** The private key. An `Effect` is run at every attempt. */
      readonly key: PrivateKey
      /** How the key signs. Default: `"RS256"`. */
      readonly algorithm?: Algorithm | undefined
    }
): ClientAuthentication => {
  const key = Signing.privateKey(options.key, options.algorithm ?? "RS256")
  const header = Assertion.header(options)
  return {
    method: "private_key_jwt",
    check: (provider) =>
      Effect.zipRight(
        checkAssertion(provider, options),
        Effect.mapError(key.check, (expected) => new InvalidOption({ provider, option: "key", expected }))
      ),
    apply: (request, context) =>
      Effect.flatMap(asAssertion(context.provider, key.signer), (signer) =>
        assert(request, context, signer, header, options)
      )
  }
}

/**
 * A short-lived assertion as {@link privateKeyJwt} makes it, by a key that the server knows by its certificate: what Entra ID and AD FS call certificate credentials.
 *
 * **Details** – the header says which certificate: `x5t` and `x5t#S256`, computed where the certificate is given, else those that are. The certificate itself is
 * not sent. One that has expired, or is that of another key, is found while the layer is built.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import { Effect } from "effect"
 *
 * const authentication = ClientAuthentication.certificate({ key: "-----BEGIN PRIVATE KEY-----…", thumbprint: "no hex" })
 * const problem = await Effect.runPromise(Effect.flip(authentication.check("ClientCertificate")))
 * console.log(problem.expected)
 * // 40 hexadecimal digits (SHA-1)
 * ```
 *
 * @see <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>
 * @category constructors
 * @since 0.1.0
 */
export const certificate = (options: CertificateOptions & Assertion.Validity): ClientAuthentication => {
  const { algorithm, lifetime, audience } = options
  const key = Signing.privateKey(options.key, algorithm ?? "RS256")
  const parsed = options.certificate === undefined ? undefined : Certificate.parse(options.certificate)
  const name: Effect.Effect<Assertion.KeyName, string> =
    parsed === undefined
      ? Effect.succeed(options)
      : Effect.map(Effect.flatMap(parsed, Certificate.thumbprints), ({ sha1, sha256 }) => ({
          keyId: options.keyId,
          thumbprint: sha1,
          thumbprintS256: sha256
        }))
  return {
    method: "private_key_jwt",
    check: (provider) =>
      Effect.gen(function* () {
        const invalid = (option: string, expected: string) => new InvalidOption({ provider, option, expected })
        yield* checkAssertion(provider, { keyId: options.keyId, lifetime, audience })
        if (parsed === undefined && options.thumbprint === undefined && options.thumbprintS256 === undefined) {
          return yield* invalid("certificate", "given, or else one of its thumbprints")
        }
        yield* checkAssertion(provider, options)
        const known = yield* Effect.mapError(name, (expected) => invalid("certificate", expected))
        for (const option of ["thumbprint", "thumbprintS256"] as const) {
          if (
            options[option] !== undefined &&
            Assertion.plainHex(options[option]) !== Assertion.plainHex(known[option]!)
          ) {
            return yield* invalid(option, "that of the certificate: leave it out")
          }
        }
        const signer = yield* Effect.mapError(key.check, (expected) => invalid("key", expected))
        if (parsed === undefined || Either.isLeft(parsed)) return
        const { notAfter, notBefore } = parsed.right
        const now = yield* Clock.currentTimeMillis
        const date = (millis: number) => DateTime.formatIso(DateTime.unsafeMake(millis))
        if (now >= notAfter) {
          return yield* invalid("certificate", `one that has not expired: this one has since ${date(notAfter)}`)
        }
        if (now < notBefore) {
          return yield* invalid("certificate", `one that is valid already: this one is from ${date(notBefore)} on`)
        }
        if (signer !== undefined && !(yield* Certificate.isOf(parsed.right, signer))) {
          return yield* invalid("certificate", "the certificate of this key: it is that of another one")
        }
      }),
    apply: (request, context) =>
      Effect.flatMap(asAssertion(context.provider, Effect.all([key.signer, name])), ([signer, name]) =>
        assert(request, context, signer, Assertion.header(name), options)
      )
  }
}

/**
 * A key and what a server knows its certificate by.
 *
 * @category models
 * @since 0.1.0
 */
export interface CertificateOptions extends Assertion.KeyName {
  /** The private key. An `Effect` is run at every attempt. */
  readonly key: PrivateKey
  /** The key's certificate in PEM; in a chain the first. May be the same text as the key's, holding both. Default: none, a thumbprint is given instead. */
  readonly certificate?: string | undefined
  /** How the key signs; Entra ID recommends `"PS256"`. Default: `"RS256"`. */
  readonly algorithm?: Algorithm | undefined
}

/** What every method with a secret has in common: where the secret comes from, and what it may look like. */
const withSecret = (
  method: string,
  secret: Secret,
  accept: (secret: string) => Either.Either<unknown, string>,
  prove: (
    request: TokenRequest.TokenRequest,
    context: Context,
    secret: Redacted.Redacted
  ) => Effect.Effect<TokenRequest.TokenRequest, RefreshError>,
  option = "clientSecret"
): ClientAuthentication => {
  const checked = (given: string | Redacted.Redacted): Either.Either<Redacted.Redacted, string> => {
    const text = Redacted.isRedacted(given) ? Redacted.value(given) : given
    if (Text.isBlank(text) || !Text.isPlain(text)) {
      return Either.left("a secret that is not blank and has no line breaks or other controls")
    }
    return Either.map(accept(text), () => (Redacted.isRedacted(given) ? given : Redacted.make(text)))
  }
  const now = Effect.isEffect(secret) ? undefined : checked(secret)
  return {
    method,
    check: (provider) =>
      now === undefined
        ? Effect.void
        : Effect.asVoid(Either.mapLeft(now, (expected) => new InvalidOption({ provider, option, expected }))),
    apply: (request, context) =>
      Effect.flatMap(
        now !== undefined
          ? asAssertion(context.provider, now)
          : Effect.flatMap(secret as Effect.Effect<string | Redacted.Redacted, RefreshError>, (given) =>
              asAssertion(context.provider, checked(given))
            ),
        (secret) => prove(request, context, secret)
      )
  }
}

/** What was expected, as an error that says so; an error that says more already stays. */
const asAssertion = <A>(
  provider: string,
  effect: Effect.Effect<A, RefreshError | string>
): Effect.Effect<A, RefreshError> =>
  Effect.mapError(effect, (error) =>
    typeof error === "string"
      ? new RefreshError({ provider, reason: { _tag: "Assertion", description: `it takes ${error}` } })
      : error
  )

const checkAssertion = (
  provider: string,
  options: Assertion.KeyName & Assertion.Validity = {}
): Effect.Effect<void, InvalidOption> =>
  Option.match(Assertion.check(provider, options), { onNone: () => Effect.void, onSome: Effect.fail })

/** Adds a fresh assertion (RFC 7523 §3). */
const assert = (
  request: TokenRequest.TokenRequest,
  context: Context,
  signer: Jose.Signer,
  header: Readonly<Record<string, string>>,
  { audience, lifetime = "1 minute" }: Assertion.Validity = {}
): Effect.Effect<TokenRequest.TokenRequest, RefreshError> => {
  const { clientId, provider } = context
  return Option.match(Assertion.audience(audience, context), {
    onNone: () => asAssertion(provider, Effect.fail("an issuer to be its audience, and this server's is not known")),
    onSome: (audience) =>
      Effect.map(
        asAssertion(
          provider,
          Signing.assertion(signer, header, (moment) =>
            Assertion.claims({ issuer: clientId, subject: clientId, audience, lifetime, ...moment })
          )
        ),
        (assertion) => Assertion.asClient(request, clientId, assertion)
      )
  })
}
