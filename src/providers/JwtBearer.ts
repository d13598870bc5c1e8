/**
 * A signed assertion, traded for a token (RFC 7523 §2.1): service accounts, and clients that speak for their users.
 *
 * The key stays here; what is sent is a short-lived statement signed with it, a fresh one at every attempt. For a Google service account see
 * {@link fromServiceAccountJson}; for APIs that take the signed statement itself as a token, {@link selfSigned}. An assertion that only proves who the
 * *client* is belongs to `ClientAuthentication.privateKeyJwt`.
 *
 * @example
 * ```ts
 * import * as JwtBearer from "effect-credentials/JwtBearer"
 * import { Layer, Redacted } from "effect"
 *
 * const CredentialsLive = JwtBearer.layer({
 *   tokenEndpoint: "https://id.example.com/oauth/token",
 *   assertion: { key: Redacted.make("-----BEGIN PRIVATE KEY-----…"), issuer: "my-service", subject: "ada@example.com" },
 *   scope: ["read"]
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Authorization } from "../Authorization.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, RefreshError } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Secret from "../internal/secret.ts"
import * as Signing from "../internal/signing.ts"
import * as Text from "../internal/text.ts"
import * as Assertion from "../protocol/Assertion.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"
import * as Token from "../Token.ts"
import type * as TokenEndpoint from "../TokenEndpoint.ts"

const name = "JwtBearer"

/**
 * What is signed, and with what.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signed extends Assertion.KeyName, Assertion.Validity {
  /** The private key. An `Effect` is run at every attempt. */
  readonly key: ClientAuthentication.PrivateKey
  /** How the key signs. Default: `"RS256"`. */
  readonly algorithm?: ClientAuthentication.Algorithm | undefined
  /** Who makes the assertion, as the server knows it: a service account, a client. */
  readonly issuer: string
  /** Whom the token is for. Default: the issuer itself. */
  readonly subject?: string | undefined
  /** What the token should allow, for servers that want it in the assertion and not as a parameter (Google). Default: not said. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** More claims that a server wants. Default: none. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Where the token endpoint is and what is offered to it. Servers that need no client beside the assertion need no `clientId`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = TokenEndpoint.Server &
  TokenEndpoint.Settings &
  ClientAuthentication.OptionalClient &
  Grant.Target & {
    /** What is signed at every attempt; or an assertion that somebody else has signed, read anew at every attempt where it is an `Effect`. */
    readonly assertion: Signed | ClientAuthentication.Secret
    /** How tokens go on a request. Default: `Authorization.bearer`. */
    readonly authorization?: Authorization | undefined
  }

/** Makes the assertion of one attempt. */
interface Source {
  readonly check: Effect.Effect<void, InvalidOption>
  readonly make: (audience: string | undefined) => Effect.Effect<Redacted.Redacted, RefreshError>
  /** Whom the tokens are for, if that is known. */
  readonly subject: string | undefined
}

const refuse = (reason: RefreshError["reason"]) => new RefreshError({ provider: name, reason })

const unsigned = (description: string) => refuse({ _tag: "Assertion", description })

/** What is neither, as a setting that is missing in spite of its type, is found out as a blank one. */
const isGiven = (assertion: Options["assertion"]): assertion is ClientAuthentication.Secret =>
  typeof assertion !== "object" || Redacted.isRedacted(assertion) || Effect.isEffect(assertion)

const invalid = (option: string, expected: string) => new InvalidOption({ provider: name, option, expected })

const given = (assertion: ClientAuthentication.Secret): Source => ({
  check:
    Effect.isEffect(assertion) || !Secret.isBlank(assertion)
      ? Effect.void
      : Effect.fail(invalid("assertion", "an assertion, not blank")),
  make: () => Secret.read(assertion, () => unsigned("the assertion is empty: check where it comes from")),
  subject: undefined
})

const signed = (options: Signed, prefix: string): Source => {
  const { issuer, lifetime = "1 minute", scope, subject = issuer } = options
  const key = Signing.privateKey(options.key, options.algorithm ?? "RS256")
  const header = Assertion.header(options)
  const named = (error: InvalidOption) => invalid(`${prefix}${error.option}`, error.expected)
  return {
    subject: JSON.stringify([issuer, subject, options.audience, Array.from(scope ?? []).sort(), options.claims]),
    check: Effect.gen(function* () {
      for (const [option, text] of Object.entries({ issuer, subject })) {
        if (Text.isBlank(text) || !Text.isPlain(text)) {
          return yield* invalid(`${prefix}${option}`, "text that is not blank and has no line breaks or other controls")
        }
      }
      const problem = Option.orElse(Assertion.check(name, options), () => Grant.check(name, { scope }))
      if (Option.isSome(problem)) return yield* named(problem.value)
      yield* Effect.mapError(key.check, (expected) => invalid(`${prefix}key`, expected))
    }),
    make: (audience) =>
      Effect.flatMap(key.signer, (signer) =>
        Signing.assertion(signer, header, (moment) =>
          Assertion.claims({ issuer, subject, audience, lifetime, scope, claims: options.claims, ...moment })
        )
      ).pipe(Effect.mapError((error) => (typeof error === "string" ? unsigned(`it takes ${error}`) : error)))
  }
}

/** The client's own proof, and with it a fresh assertion in every attempt that offers one. */
const asserting = (
  authentication: ClientAuthentication.ClientAuthentication,
  source: Source,
  wish: string | undefined
): ClientAuthentication.ClientAuthentication => ({
  ...authentication,
  apply: (request, context) =>
    Assertion.isWanted(request)
      ? Option.match(Assertion.audience(wish, context), {
          onNone: () => Effect.fail(unsigned("it takes an issuer to be its audience, and this server's is not known")),
          onSome: (audience) =>
            Effect.flatMap(source.make(audience), (assertion) =>
              authentication.apply(Assertion.asGrant(request, assertion), context)
            )
        })
      : authentication.apply(request, context)
})

/**
 * A provider that trades assertions.
 *
 * **Details** – every attempt, also a repeated one, makes a fresh assertion: `aud` is the token endpoint unless said otherwise, `exp` comes 1 minute later, `jti` has 128 random
 * bits. A refresh token, should a server send one, is not spent: the key can always sign again.
 *
 * @example
 * ```ts
 * import * as JwtBearer from "effect-credentials/JwtBearer"
 * import { Effect, Redacted } from "effect"
 *
 * const key = Effect.sync(() => Redacted.make("-----BEGIN EC PRIVATE KEY-----…"))
 * const provider = JwtBearer.make({
 *   issuer: "https://id.example.com",
 *   assertion: { key, algorithm: "ES256", issuer: "my-service", audience: "issuer" }
 * })
 * console.log(provider.name)
 * // JwtBearer
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc7523#section-2.1>
 * @category constructors
 * @since 0.1.0
 */
export const make = (optionsGiven: Options): Provider.Provider<HttpClient> => {
  const options = own(optionsGiven)
  const { assertion, ...rest } = options
  const source = isGiven(assertion) ? given(assertion) : signed(assertion, "assertion.")
  const client = ClientAuthentication.orAnonymous(rest as Provider.GrantOptions)
  const provider = Provider.fromGrant(
    name,
    {
      ...client,
      clientSecret: undefined,
      authentication: asserting(
        ClientAuthentication.fromClient(client),
        source,
        isGiven(assertion) ? undefined : assertion.audience
      )
    },
    () => Effect.succeed(Grant.jwtBearer(undefined, rest)),
    { refreshes: false, subject: source.subject }
  )
  return Provider.make({
    ...provider,
    // Whom an assertion speaks of that somebody else has signed is not known.
    key: source.subject === undefined ? Option.none() : provider.key,
    check: Effect.zipRight(source.check, provider.check)
  })
}

/**
 * Credentials for assertions. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as JwtBearer from "effect-credentials/JwtBearer"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const assertion = { key: "…", issuer: "my-service", lifetime: "2 hours" } as const
 * const CredentialsLive = JwtBearer.layer({ tokenEndpoint: server.tokenEndpoint.url, assertion })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, server.layer)))))
 * console.log(error.message)
 * // JwtBearer: option assertion.lifetime must be from 1 second to 1 hour
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(make(options), engine)

/**
 * What a self-signed token says.
 *
 * @category models
 * @since 0.1.0
 */
export interface SelfSigned extends Omit<Signed, "audience"> {
  /** Whom the token is for: the API. Default: not said, which some APIs allow beside a scope. */
  readonly audience?: string | undefined
  /** How tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
}

/**
 * A provider of tokens that the key signs by itself, without any server: for APIs that verify them with the public key, as Google's do.
 *
 * **Details** – a token lives for `lifetime`, which is 1 hour by default here.
 *
 * @example
 * ```ts
 * import * as JwtBearer from "effect-credentials/JwtBearer"
 *
 * const provider = JwtBearer.selfSigned({
 *   key: "-----BEGIN PRIVATE KEY-----…",
 *   keyId: "2024",
 *   issuer: "robot@project.iam.gserviceaccount.com",
 *   audience: "https://pubsub.googleapis.com/"
 * })
 * console.log(provider.name)
 * // JwtBearer
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const selfSigned = (options: SelfSigned): Provider.Provider => {
  const lifetime = options.lifetime ?? "1 hour"
  const source = signed({ ...options, lifetime }, "")
  return Provider.make({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    check: source.check,
    acquire: () =>
      Effect.flatMap(DateTime.now, (issuedAt) =>
        Effect.map(source.make(options.audience), (accessToken) => ({
          ...Token.fromAccessToken(accessToken, issuedAt),
          scope: options.scope ?? []
        }))
      )
  })
}

/**
 * The file that Google's console calls a JSON key, parsed.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceAccountJson {
  /** Who the service account is. */
  readonly client_email: string
  /** Its key, in PEM. */
  readonly private_key: string
  /** The key's identifier. */
  readonly private_key_id?: string | undefined
  /** Where assertions are traded. */
  readonly token_uri?: string | undefined
}

/**
 * The options for a Google service account, from its parsed JSON file.
 *
 * @example
 * ```ts
 * import * as JwtBearer from "effect-credentials/JwtBearer"
 *
 * const json = JSON.parse(`{"client_email":"robot@project.iam.gserviceaccount.com","private_key":"…","private_key_id":"2024"}`)
 * const provider = JwtBearer.make(JwtBearer.fromServiceAccountJson(json, {
 *   scope: ["https://www.googleapis.com/auth/cloud-platform"]
 * }))
 * console.log(provider.name)
 * // JwtBearer
 * ```
 *
 * @see <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>
 * @category constructors
 * @since 0.1.0
 */
export const fromServiceAccountJson = (
  json: ServiceAccountJson,
  options?: {
    /** What the token should allow. Default: nothing is said, which Google refuses. */
    readonly scope?: ReadonlyArray<string> | undefined
    /** The user to act for (domain-wide delegation). Default: the service account itself. */
    readonly subject?: string | undefined
    /** How long an assertion is valid, up to 1 hour. Default: 1 minute. */
    readonly lifetime?: Duration.DurationInput | undefined
  }
): Options & { readonly assertion: Signed } => ({
  tokenEndpoint: json.token_uri ?? "https://oauth2.googleapis.com/token",
  assertion: {
    // What is missing in the file is found by the check, by name.
    key: Redacted.make(String(json.private_key ?? "")),
    issuer: String(json.client_email ?? ""),
    keyId: json.private_key_id,
    ...options
  }
})
