/** A real, certified authorization server (oidc-provider) on this machine, for examples and tests. Everything it knows is in memory. */
import { Effect, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import type { AccessToken } from "oidc-provider"
import type { Options as AssertionOptions } from "./assertionGrants.ts"
import { listen } from "./listen.ts"

// It greets everybody with advice for production, and with a warning where it has not been certified to run. Errors stay.
for (const level of ["info", "warn"] as const) {
  const log = console[level]
  console[level] = (...data) => {
    if (!/oidc-provider (NOTICE|WARNING): /.test(String(data[0]))) log(...data)
  }
}
const { Provider } = await import("oidc-provider")
const { addAssertionGrants, jwtBearer, tokenExchange } = await import("./assertionGrants.ts")

/** How the server behaves. */
export interface Options {
  /** The clients, as metadata of OpenID Connect Dynamic Client Registration 1.0 §2. Default: none. */
  readonly clients?: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Which of this machine's two loopback addresses it listens on. Default: `127.0.0.1`. */
  readonly host?: "127.0.0.1" | "::1"
  /** How long an access token lives, in seconds. Default: 60. */
  readonly accessTokenSeconds?: number
  /** Whether a refresh token works only once. Default: true. */
  readonly rotates?: boolean
  /** Whether its metadata is only where RFC 8414 says, not where OpenID Connect Discovery does. Default: both. */
  readonly onlyOAuthMetadata?: boolean
  /** Whether people can log in, with this device or a second one, under any name and with any password. Default: false. */
  readonly people?: boolean
  /** Whether every login has to be pushed first (RFC 9126). Default: false. */
  readonly pushedOnly?: boolean
  /** Whether tokens can be bound to keys (RFC 9449), where every proof needs a nonce. Default: false. */
  readonly nonces?: boolean
  /** Whom it believes when they sign assertions (RFC 7523) or trade tokens (RFC 8693). Default: nobody, it has neither grant. */
  readonly assertions?: AssertionOptions
}

/** A client that is a program of its own. */
export const machine = (id: string, method: string) => ({
  client_id: id,
  token_endpoint_auth_method: method,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: []
})

/** A client without a secret, on people's own machines. */
export const native = (id: string, grants: ReadonlyArray<string>) => ({
  client_id: id,
  application_type: "native",
  token_endpoint_auth_method: "none",
  grant_types: grants,
  redirect_uris: ["http://127.0.0.1/callback"],
  response_types: ["code"]
})

/** A running server. */
export interface AuthorizationServer {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** The token endpoint for assertions and exchanges of those who are no client of the server (RFC 7521 §4.1). */
  readonly assertionEndpoint: string
  readonly revocationEndpoint: string
  readonly introspectionEndpoint: string
  /** How many requests the token endpoint has had so far. */
  readonly tokenRequests: () => number
  /** Whether an access token is good now: what an API has to know. */
  readonly accepts: (accessToken: string) => Promise<boolean>
  /** What the server knows about an access token: whom it is for, at which API, and who acts for them. */
  readonly about: (accessToken: string) => Promise<AccessToken | undefined>
  /** A refresh token, as if a person had just logged in. */
  readonly issueRefreshToken: (clientId: string, scope: string) => Promise<string>
}

/** Starts a server that runs until the scope closes. */
export const authorizationServer = (options: Options): Effect.Effect<AuthorizationServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    let tokenRequests = 0
    // An issuer is an address: the server listens before the provider exists.
    const issuer = yield* listen((request, response) => {
      if (request.method === "POST" && request.url === "/assertions") {
        request.url = "/token"
        request.headers.authorization = `Basic ${btoa(`${anybody.client_id}:${anybody.client_secret}`)}`
      }
      if (request.method === "POST" && request.url === "/token") tokenRequests++
      if (options.onlyOAuthMetadata === true && request.url === "/.well-known/openid-configuration") {
        response.writeHead(404).end()
      } else handle(request, response)
    }, options.host)
    const provider = create(issuer, options)
    const handle = provider.callback()
    return {
      issuer,
      tokenEndpoint: `${issuer}/token`,
      assertionEndpoint: `${issuer}/assertions`,
      revocationEndpoint: `${issuer}/token/revocation`,
      introspectionEndpoint: `${issuer}/token/introspection`,
      tokenRequests: () => tokenRequests,
      accepts: async (accessToken) =>
        [await provider.ClientCredentials.find(accessToken), await provider.AccessToken.find(accessToken)].some(
          (known) => known !== undefined
        ),
      about: async (accessToken) =>
        (await provider.AccessToken.find(accessToken)) ?? (await provider.ClientCredentials.find(accessToken)),
      issueRefreshToken: async (clientId, scope) => {
        const client = await provider.Client.find(clientId)
        const grant = new provider.Grant({ accountId, clientId })
        grant.addOIDCScope(scope)
        const grantId = await grant.save()
        return new provider.RefreshToken({ accountId, client, grantId, gty: "authorization_code", scope }).save()
      }
    }
  })

const accountId = "ada"

/** Stands for those who are no client. */
const anybody = {
  client_id: "anybody",
  client_secret: crypto.randomUUID(),
  grant_types: [jwtBearer, tokenExchange],
  redirect_uris: [],
  response_types: []
}

const create = (
  issuer: string,
  {
    accessTokenSeconds = 60,
    assertions,
    clients = [],
    nonces = false,
    people = false,
    pushedOnly = false,
    rotates = true
  }: Options
) => {
  const provider = new Provider(issuer, {
    clients: assertions === undefined ? clients : [...clients, anybody],
    scopes: ["api", "offline_access", "openid"],
    findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: people },
      devInteractions: { enabled: people },
      dPoP: { enabled: nonces, ...(nonces ? { nonceSecret: randomBytes(32), requireNonce: () => true } : {}) },
      pushedAuthorizationRequests: { enabled: pushedOnly, requirePushedAuthorizationRequests: pushedOnly },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true }
    },
    enabledJWA: { clientAuthSigningAlgValues: signingAlgorithms },
    extraTokenClaims: (_: unknown, token: AccessToken) => token.extra,
    rotateRefreshToken: rotates,
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: accessTokenSeconds,
      IdToken: accessTokenSeconds,
      DeviceCode: 600,
      Grant: 3600,
      RefreshToken: 3600
    },
    // The server counts in whole seconds, which takes up to one off a token's life: APIs allow for that.
    clockTolerance: 1
  })
    .on("server_error", (_, error) => console.error(`authorization server: ${error.stack}`))
    .use(pollingEverySecond)
  if (assertions !== undefined) {
    addAssertionGrants(provider, { ...assertions, audience: [issuer, `${issuer}/token`, `${issuer}/assertions`] })
  }
  return provider
}

/** Lets devices ask every second: there are no others that they could be in the way of (RFC 8628 §3.2). */
export const pollingEverySecond = async (ctx: { body: unknown }, next: () => Promise<void>): Promise<void> => {
  await next()
  const { body } = ctx
  if (typeof body === "object" && body !== null && "device_code" in body) Object.assign(body, { interval: 1 })
}

const signingAlgorithms = ["HS", "RS", "PS", "ES"]
  .flatMap((family) => [256, 384, 512].map((bits) => `${family}${bits}`))
  .concat("EdDSA")
