/**
 * PILOT, the research data platform: what its Python SDK does with credentials, with one layer.
 *
 * A person logs in with a name and a password, or brings tokens. Every request carries the access token and, beside it, the refresh token, as the portal wants it. The
 * high-performance computing gateway has a login of its own and a header without a scheme word. The command line's device login and API key are here too.
 *
 * **Details** – what is done otherwise than in the original, and why:
 *
 * | original | here |
 * | --- | --- |
 * | tokens that are given are ignored, a login with an empty name is sent (L3) | they are used, and no password is needed |
 * | `expires_in` is ignored, nothing is ever refreshed (L5, L13) | tokens are renewed before they expire, at the portal's own endpoint |
 * | headers are shared between clients, so one sends the other's token (L8) | each layer has tokens of its own |
 * | every request is logged with both tokens (L10) | nothing secret is logged |
 * | an error without a known code is raised without a message (L9) | `ApiError` says code and message |
 * | a login that fails with something else than JSON ends in a parse error (L6) | a `RefreshError` with the status |
 * | an encrypted INI file whose key lies beside it (L16) | `TokenStore.layerFile` or `layerEncryptedFile`, with `Provider.persisted` |
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Pilot from "effect-credentials/Pilot"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer, Redacted } from "effect"
 *
 * const PilotLive = AuthenticatedHttpClient.layer({ origins: ["https://pilot.example.com"] }).pipe(
 *   Layer.provide(Pilot.layer({ endPoint: "https://pilot.example.com/api", username: "ada", password: Redacted.make("s3cret") })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * console.log(Layer.isLayer(PilotLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Authorization from "../Authorization.ts"
import * as AuthorizationServer from "../AuthorizationServer.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import {
  type InvalidOption,
  type MissingCredentials,
  type PartialCredentials,
  RefreshError
} from "../CredentialsError.ts"
import { TaggedError, type TaggedErrorClass } from "../internal/error.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"
import * as Url from "../internal/url.ts"
import * as TokenResponse from "../protocol/TokenResponse.ts"
import * as Provider from "../Provider.ts"
import * as DeviceAuthorization from "../providers/DeviceAuthorization.ts"
import * as Password from "../providers/Password.ts"
import * as Token from "../Token.ts"
import * as TokenEndpoint from "../TokenEndpoint.ts"
import * as WorkloadIdentity from "../WorkloadIdentity.ts"

const name = "Pilot"

/**
 * The portal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Portal {
  /** Where the API is, without a slash at the end: what `api_gateway` says. */
  readonly endPoint: string
}

/**
 * The portal, and who logs in there.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginOptions extends Portal {
  /** The person's name. */
  readonly username: string
  /** The person's password. */
  readonly password: string | Redacted.Redacted
}

/**
 * The portal, and tokens obtained elsewhere.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenOptions extends Portal {
  /** The access token. */
  readonly accessToken: string | Redacted.Redacted
  /** The refresh token. Default: none, and nothing renews the access token. */
  readonly refreshToken?: string | Redacted.Redacted | undefined
}

/**
 * How its tokens go on a request: the access token as a bearer token, the refresh token, where there is one, in `Refresh-token`.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 *
 * console.log(Pilot.authorization.names)
 * // [ 'authorization', 'refresh-token' ]
 * ```
 *
 * @category authorization
 * @since 0.1.0
 */
export const authorization: Authorization.Authorization = Authorization.withRefreshToken(
  Authorization.bearer,
  "refresh-token"
)

/** The envelope of every answer. */
const envelope = { accessToken: "result.access_token" }

const secret = (value: string | Redacted.Redacted): Redacted.Redacted =>
  Redacted.isRedacted(value) ? value : Redacted.make(value)

const refreshAt =
  ({ endPoint }: Portal) =>
  (refreshToken: Redacted.Redacted): Effect.Effect<Token.Token, RefreshError, HttpClient> =>
    TokenEndpoint.login(
      TokenEndpoint.make(
        name,
        ClientAuthentication.orAnonymous({ tokenEndpoint: `${endPoint}/portal/users/refresh`, body: "json" as const })
      ),
      {
        params: [["refreshtoken", refreshToken]],
        shape: envelope,
        message: "error_msg",
        oneTime: true,
        previousRefreshToken: refreshToken
      }
    )

/**
 * A provider of tokens for the portal: of a login, or those that are given. They are refreshed at the portal.
 *
 * **Details** – a refresh token that the portal does not take any more leads back to the login; where tokens were given, to a `RefreshError` with reason `Source`.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 * import { Redacted } from "effect"
 *
 * const provider = Pilot.make({ endPoint: "https://pilot.example.com/api", accessToken: Redacted.make("t0ken") })
 * console.log(provider.name)
 * // Pilot
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: LoginOptions | TokenOptions): Provider.Provider<HttpClient> => {
  if ("accessToken" in options) {
    const { accessToken, refreshToken } = options
    const nothingElse = Provider.make({
      name,
      authorization,
      acquire: () =>
        Effect.fail(
          new RefreshError({
            provider: name,
            reason: { _tag: "Source", description: "the token has expired and nothing renews it: log in again" }
          })
        )
    })
    const given = Effect.map(DateTime.now, (now) =>
      Option.some({
        ...Token.fromAccessToken(secret(accessToken), now),
        refreshToken: Option.map(Option.fromNullable(refreshToken), secret)
      })
    )
    return nothingElse.pipe(Provider.refreshable(refreshAt(options)), Provider.startingWith(given))
  }
  const login = Password.login({
    url: `${options.endPoint}/portal/users/auth`,
    username: options.username,
    password: options.password,
    response: { ...envelope, message: "error_msg" },
    authorization
  })
  return Provider.make({ ...Provider.refreshable(login, refreshAt(options)), name })
}

/**
 * Credentials for the portal. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const Live = Pilot.layer({ endPoint: "http://pilot.example.com", username: "ada", password: "s3cret" })
 * const error = await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(Layer.provide(Live, FetchHttpClient.layer)))))
 * console.log(error.option)
 * // url
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: LoginOptions | TokenOptions,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(make(options), engine)

/**
 * A provider from configuration: `API_GATEWAY`, `PILOT_USERNAME` and `PILOT_PASSWORD` by default.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["API_GATEWAY", "https://pilot.example.com/api"]]))
 * const error = Effect.runSync(Effect.flip(Effect.withConfigProvider(Pilot.fromConfig(), environment)))
 * console.log(error.message)
 * // Pilot is half configured: API_GATEWAY is set, PILOT_USERNAME, PILOT_PASSWORD are missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: Partial<Provider.Configured<LoginOptions>>
): Effect.Effect<Provider.Provider<HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromConfig<LoginOptions, HttpClient>(
    name,
    {
      endPoint: config?.endPoint ?? Config.string("API_GATEWAY"),
      username: config?.username ?? Config.string("PILOT_USERNAME"),
      password: config?.password ?? Config.redacted("PILOT_PASSWORD")
    },
    make
  )

/**
 * Credentials from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = Pilot.layerConfig({ endPoint: Config.string("PORTAL") })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: Partial<Provider.Configured<LoginOptions>>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config), (provider) => Credentials.layer(provider, engine)))

/**
 * The gateway to high-performance computing, and who logs in there.
 *
 * @category models
 * @since 0.1.0
 */
export interface HpcOptions extends LoginOptions {
  /** Who issues the tokens there. */
  readonly tokenIssuer: string
}

/**
 * A provider of tokens for high-performance computing. They go on a request as they are, without a scheme word.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 *
 * const provider = Pilot.hpc({ endPoint: "https://hpc.example.com", tokenIssuer: "host", username: "ada", password: "s3cret" })
 * console.log(provider.name)
 * // Pilot
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const hpc = (options: HpcOptions): Provider.Provider<HttpClient> =>
  Provider.make({
    ...Password.login({
      url: `${options.endPoint}/v1/hpc/auth`,
      username: options.username,
      password: options.password,
      request: { others: { token_issuer: options.tokenIssuer } },
      response: { accessToken: "result", message: "error_msg" },
      authorization: Authorization.raw
    }),
    key: Option.some(JSON.stringify([name, options.endPoint, options.username, options.tokenIssuer])),
    name
  })

/**
 * The realm that the command line logs in to.
 *
 * @category models
 * @since 0.1.0
 */
export interface CliOptions<R = never> {
  /** The realm's URL, without a slash at the end. */
  readonly realm: string
  /** The command line's client. Default: `cli`. */
  readonly clientId?: string | undefined
  /** Exchanged for tokens, first and whenever the refresh token is refused. Default: none, a person logs in with a second device. */
  readonly apiKey?: string | Redacted.Redacted | undefined
  /** Shows the code to the person. Default: `DeviceAuthorization.terminalPrompt`. */
  readonly prompt?: DeviceAuthorization.Options<R>["prompt"]
}

/**
 * A provider of tokens as the command line has them: by API key, or else by a login with a second device; refreshed in the realm.
 *
 * **Details** – the original renews a token that has two minutes left: give the layer `renewAhead: "2 minutes"`.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 * import { Redacted } from "effect"
 *
 * const provider = Pilot.cli({ realm: "https://id.example.com/realms/pilot", apiKey: Redacted.make("s3cret") })
 * console.log(provider.name)
 * // Pilot
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cli = <R = never>(options: CliOptions<R>): Provider.Provider<R | HttpClient> => {
  const { apiKey, clientId = "cli", realm } = options
  const base = `${realm}/protocol/openid-connect`
  const server = AuthorizationServer.make({
    token_endpoint: `${base}/token`,
    device_authorization_endpoint: `${base}/auth/device`,
    revocation_endpoint: `${base}/revoke`
  })
  if (apiKey === undefined) {
    return Provider.make({ ...DeviceAuthorization.make<R>({ server, clientId, prompt: options.prompt }), name })
  }
  return Provider.fromEndpoint(
    name,
    { server, clientId },
    () =>
      Effect.flatMap(DateTime.now, (requestedAt) =>
        Effect.flatMap(
          WorkloadIdentity.ask(name, { url: `${realm}/api-key/${Url.segment(Redacted.value(secret(apiKey)))}` }),
          (answer) => TokenResponse.decode({ ...answer, provider: name, requestedAt })
        )
      ),
    { credential: secret(apiKey) }
  )
}

const ApiBase: TaggedErrorClass<ApiError, "PilotApiError", { readonly code: number; readonly description: string }> =
  /* @__PURE__ */ TaggedError("PilotApiError", () => ({ code: Schema.Number, description: Schema.String }))

/**
 * What the portal says in the body of an answer, whatever the status of HTTP: 400 a bad request, 401 not logged in, 403 not allowed, 404 not there, 409 a conflict, anything else
 * a failure of its own.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 *
 * console.log(new Pilot.ApiError({ code: 404, description: "no such project" }).message)
 * // PILOT answers 404: no such project
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ApiError extends ApiBase {
  /** One sentence: what happened. */
  override get message(): string {
    return `PILOT answers ${this.code}: ${this.description}`
  }
}

/**
 * The result in an answer of the portal's API, out of its envelope.
 *
 * **Details** – the code in the body decides, as the portal has it; where there is none, the status of HTTP does.
 *
 * @example
 * ```ts
 * import * as Pilot from "effect-credentials/Pilot"
 * import { HttpClientRequest, HttpClientResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const answer = { code: 403, error_msg: "not a member", result: [] }
 * const response = HttpClientResponse.fromWeb(HttpClientRequest.get("https://pilot.example.com"), Response.json(answer))
 * console.log((await Effect.runPromise(Effect.flip(Pilot.result(response)))).message)
 * // PILOT answers 403: not a member
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const result = (response: HttpClientResponse): Effect.Effect<unknown, ApiError | HttpClientError> =>
  Effect.flatMap(response.text, (text) => {
    const members = Json.parseObject(text) ?? {}
    const said = Json.member(members, "code")
    const code = typeof said === "number" ? said : response.status
    const description = Json.member(members, "error_msg")
    return code < 300
      ? Effect.succeed(Json.member(members, "result"))
      : Effect.fail(
          new ApiError({
            code,
            description: typeof description === "string" ? Text.printable(description, 256) : "no reason given"
          })
        )
  })
