/**
 * The client acting on its own behalf, proven by a key that the server knows by its certificate (RFC 7523 §2.2): Entra ID, AD FS, Cognite.
 *
 * The key signs a short-lived statement at every attempt; neither key nor certificate is sent. *Mutual TLS* (RFC 8705) is something else: there the
 * certificate belongs to the connection. Use `ClientCredentials` with `ClientAuthentication.tlsClientAuth` and give its layer an HttpClient that shows the certificate, as the example `mutual-tls` does.
 *
 * @example
 * ```ts
 * import * as ClientCertificate from "effect-credentials/ClientCertificate"
 * import { Layer, Redacted } from "effect"
 *
 * const CredentialsLive = ClientCertificate.layer({
 *   authority: "https://login.microsoftonline.com",
 *   tenant: "contoso.onmicrosoft.com",
 *   clientId: "my-service",
 *   key: Redacted.make("-----BEGIN PRIVATE KEY-----…"),
 *   thumbprint: "84E05C1D98BCE3A5421D225B140B36E86A3D5534",
 *   scope: ["https://graph.microsoft.com/.default"]
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Authorization } from "../Authorization.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Url from "../internal/url.ts"
import type { Validity } from "../protocol/Assertion.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"
import type * as TokenEndpoint from "../TokenEndpoint.ts"

const name = "ClientCertificate"

/**
 * Where the token endpoint is: as for every provider, or below an authority of Entra ID.
 *
 * @category models
 * @since 0.1.0
 */
export type Server =
  | (TokenEndpoint.Server & { readonly authority?: undefined; readonly tenant?: undefined })
  | {
      /** The authority, with or without the tenant in its path; the token endpoint is `oauth2/v2.0/token` below it. */
      readonly authority: string
      /** The tenant: its identifier or one of its domains. Default: the authority has it. */
      readonly tenant?: string | undefined
      readonly tokenEndpoint?: undefined
      readonly issuer?: undefined
      readonly server?: undefined
    }

/**
 * The client, its key and its certificate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Certified extends ClientAuthentication.CertificateOptions {
  /** The client's identifier, as registered at the server. */
  readonly clientId: string
  /** Whom the client's assertion is for, and for how long. Default: the token endpoint, for 1 minute. */
  readonly assertion?: Validity | undefined
}

/**
 * Where the token endpoint is, who the client is and what it asks for.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Server &
  Certified &
  TokenEndpoint.Settings &
  Grant.Target & {
    /** How tokens go on a request. Default: `Authorization.bearer`. */
    readonly authorization?: Authorization | undefined
  }

/**
 * The token endpoint of an authority of Entra ID.
 *
 * @example
 * ```ts
 * import * as ClientCertificate from "effect-credentials/ClientCertificate"
 *
 * console.log(ClientCertificate.tokenEndpointOf("https://login.microsoftonline.com", "contoso.com"))
 * // https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const tokenEndpointOf = (authority: string, tenant?: string): string =>
  [authority.replace(/(?<!\/)\/+$/, ""), ...(tenant === undefined ? [] : [tenant]), "oauth2/v2.0/token"].join("/")

const invalid = (option: string, expected: string) => new InvalidOption({ provider: name, option, expected })

const checkAuthority = (options: Options): Effect.Effect<void, InvalidOption> => {
  const { authority, issuer, server, tenant, tokenEndpoint } = options
  // Undefined, whatever the type says, if a setting is missing: then it is the authority that is.
  const isMissing = "authority" in options && (issuer ?? server ?? tokenEndpoint) === undefined
  if (authority === undefined && !isMissing) return Effect.void
  const url = authority === undefined || authority.includes("?") ? undefined : Url.endpoint(authority)
  if (url === undefined) return Effect.fail(invalid("authority", `${Url.expected}, nor a query`))
  if (tenant !== undefined && !/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(tenant)) {
    return Effect.fail(invalid("tenant", "an identifier or a domain"))
  }
  return tenant === undefined && url.pathname === "/"
    ? Effect.fail(invalid("tenant", "given, or a part of the authority's path"))
    : Effect.void
}

/**
 * A provider of tokens for a client with a certificate.
 *
 * **Details** – a refresh token, should a server send one, is not spent: the client can always ask again. See `ClientAuthentication.certificate` for what is signed and
 * what is checked while a layer is built.
 *
 * @example
 * ```ts
 * import * as ClientCertificate from "effect-credentials/ClientCertificate"
 * import { Effect, Redacted } from "effect"
 *
 * const pem = Effect.sync(() => Redacted.make("read anew at every attempt"))
 * const provider = ClientCertificate.make({
 *   tokenEndpoint: "https://adfs.example.com/adfs/oauth2/token",
 *   clientId: "my-service",
 *   key: pem,
 *   thumbprintS256: "af".repeat(32)
 * })
 * console.log(provider.name)
 * // ClientCertificate
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc7523#section-2.2>
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Options): Provider.Provider<HttpClient> => {
  const options = own(given)
  const { algorithm, assertion, authority, certificate, key, keyId, tenant, thumbprint, thumbprintS256, ...rest } =
    options
  const provider = Provider.fromGrant(
    name,
    {
      ...rest,
      ...(authority === undefined ? {} : { tokenEndpoint: tokenEndpointOf(authority, tenant) }),
      authentication: ClientAuthentication.certificate({
        ...assertion,
        algorithm,
        certificate,
        key,
        keyId,
        thumbprint,
        thumbprintS256
      })
    } as Provider.GrantOptions,
    () => Effect.succeed(Grant.clientCredentials(rest)),
    { refreshes: false }
  )
  return Provider.make({ ...provider, check: Effect.zipRight(checkAuthority(options), provider.check) })
}

/**
 * Credentials for a client with a certificate. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as ClientCertificate from "effect-credentials/ClientCertificate"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const options = { authority: "http://login.example.com/contoso", clientId: "me", key: "…", thumbprint: "af".repeat(20) }
 * const CredentialsLive = Layer.provide(ClientCertificate.layer(options), server.layer)
 * console.log(Effect.runSync(Effect.flip(Effect.scoped(Layer.build(CredentialsLive)))).option)
 * // authority
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
 * Where the settings are found.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions extends Omit<Provider.GrantConfig, "clientSecret"> {
  /** The private key in PEM. Default: `CLIENT_KEY`. */
  readonly key?: Config.Config<Redacted.Redacted> | undefined
  /** Its certificate in PEM. Default: `CLIENT_CERTIFICATE`. */
  readonly certificate?: Config.Config<string> | undefined
}

/**
 * A provider from configuration: by default the environment variables `TOKEN_URL` or `ISSUER`, `CLIENT_ID`, `CLIENT_KEY`, `CLIENT_CERTIFICATE` (both PEM, line breaks may be
 * written as `\n`) and, if set, `SCOPE`. Everything else is an option.
 *
 * @example
 * ```ts
 * import * as ClientCertificate from "effect-credentials/ClientCertificate"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "me"], ["ISSUER", "https://id.example.com"]]))
 * const provider = Effect.withConfigProvider(ClientCertificate.fromConfig(), environment)
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // ClientCertificate is half configured: ISSUER, CLIENT_ID are set, CLIENT_KEY, CLIENT_CERTIFICATE are missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: ConfigOptions,
  options?: Omit<Provider.GrantRest, "authentication"> & Pick<Certified, "algorithm" | "assertion" | "keyId">
): Effect.Effect<Provider.Provider<HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig<Pick<Certified, "key" | "certificate">, HttpClient>(
    name,
    (found) => make({ ...options, ...found } as Options),
    {
      settings: {
        key: config?.key ?? Config.redacted("CLIENT_KEY"),
        certificate: config?.certificate ?? Config.string("CLIENT_CERTIFICATE")
      },
      isPublic: true,
      config,
      // Its own is put in later: here it says that no secret is looked for.
      options: { ...options, authentication: ClientAuthentication.none }
    }
  )

/**
 * Credentials from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as ClientCertificate from "effect-credentials/ClientCertificate"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = ClientCertificate.layerConfig(
 *   { tokenEndpoint: Config.succeed(ClientCertificate.tokenEndpointOf("https://login.microsoftonline.com", "contoso.com")) },
 *   { algorithm: "PS256" }
 * )
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: ConfigOptions,
  options?: Omit<Provider.GrantRest, "authentication"> &
    Pick<Certified, "algorithm" | "assertion" | "keyId"> &
    Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config, options), (provider) => Credentials.layer(provider, options)))
