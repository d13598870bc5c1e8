/**
 * Access tokens that stay fresh, on every request: OAuth 2.0 credentials for Effect.
 *
 * Everything but what is for tests (`effect-credentials/Testing`), for code without Effect (`effect-credentials/Fetch`) and for one system each. Each module also has a path of its own, for a smaller graph.
 *
 * @example
 * ```ts
 * import { AuthenticatedHttpClient, ClientCredentials } from "effect-credentials"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const Api = AuthenticatedHttpClient.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide(ClientCredentials.layerConfig()),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * console.log(Layer.isLayer(Api))
 * // true
 * ```
 *
 * @module
 */
export * as AuthenticatedHttpClient from "./AuthenticatedHttpClient.ts"
export * as Authorization from "./Authorization.ts"
export * as AuthorizationServer from "./AuthorizationServer.ts"
export * as Chain from "./Chain.ts"
export * as ClientAuthentication from "./ClientAuthentication.ts"
export * as Credentials from "./Credentials.ts"
export * as CredentialsError from "./CredentialsError.ts"
export * as CredentialsMap from "./CredentialsMap.ts"
export * as DPoP from "./DPoP.ts"
export * as IdToken from "./IdToken.ts"
export * as Jwt from "./Jwt.ts"
export * as Profiles from "./Profiles.ts"
export * as Provider from "./Provider.ts"
export * as Sources from "./Sources.ts"
export * as Status from "./Status.ts"
export * as Token from "./Token.ts"
export * as TokenEndpoint from "./TokenEndpoint.ts"
export * as TokenStore from "./TokenStore.ts"
export * as WorkloadIdentity from "./WorkloadIdentity.ts"
export * as Assertion from "./protocol/Assertion.ts"
export * as AuthorizationRequest from "./protocol/AuthorizationRequest.ts"
export * as Challenge from "./protocol/Challenge.ts"
export * as DeviceFlow from "./protocol/DeviceFlow.ts"
export * as Grant from "./protocol/Grant.ts"
export * as IdTokenClaims from "./protocol/IdTokenClaims.ts"
export * as Login from "./protocol/Login.ts"
export * as Proof from "./protocol/Proof.ts"
export * as ServerMetadata from "./protocol/ServerMetadata.ts"
export * as TokenRequest from "./protocol/TokenRequest.ts"
export * as TokenResponse from "./protocol/TokenResponse.ts"
export * as TokenShape from "./protocol/TokenShape.ts"
export * as ApiKey from "./providers/ApiKey.ts"
export * as AuthorizationCode from "./providers/AuthorizationCode.ts"
export * as AzureMetadata from "./providers/AzureMetadata.ts"
export * as ClientCertificate from "./providers/ClientCertificate.ts"
export * as ClientCredentials from "./providers/ClientCredentials.ts"
export * as Command from "./providers/Command.ts"
export * as DeviceAuthorization from "./providers/DeviceAuthorization.ts"
export * as GoogleMetadata from "./providers/GoogleMetadata.ts"
export * as JwtBearer from "./providers/JwtBearer.ts"
export * as Password from "./providers/Password.ts"
export * as RefreshToken from "./providers/RefreshToken.ts"
export * as StaticToken from "./providers/StaticToken.ts"
export * as TokenExchange from "./providers/TokenExchange.ts"
export * as TokenFactory from "./providers/TokenFactory.ts"
