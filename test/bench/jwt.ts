/** JSON Web Tokens: a look inside one, an ID token verified with keys that are there, and what is signed for a request. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as jose from "jose"
import * as crypto from "node:crypto"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../../src/ClientAuthentication.ts"
import * as DPoP from "../../src/DPoP.ts"
import * as IdToken from "../../src/IdToken.ts"
import * as Jwt from "../../src/Jwt.ts"
import * as TokenRequest from "../../src/protocol/TokenRequest.ts"
import { awaited, type Contender, direct, inFiber, type Table } from "./harness.ts"
import { token as bearer } from "./held.ts"

const issuer = "https://id.example.com"
const clientId = "my-tool"
const now = Math.floor(Date.now() / 1000)

/** What a large issuer says about a person. */
const claims = {
  iss: issuer,
  sub: "00000000-0000-0000-66f3-3332eca7ea81",
  aud: clientId,
  iat: now,
  nbf: now,
  exp: now + 86_400,
  auth_time: now,
  nonce: "123523",
  tid: "9122040d-6c67-4c5b-b112-36a304b66dad",
  name: "Zoe Muller",
  preferred_username: "zoe@example.com",
  email: "zoe@example.com",
  email_verified: true,
  groups: ["3f2504e0-4f89-11d3-9a0c-0305e82c3301", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
}

interface Issued {
  readonly idToken: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly keys: jose.JSONWebKeySet
}

const issue = async (alg: string): Promise<Issued> => {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
  const idToken = await new jose.SignJWT(claims).setProtectedHeader({ alg, kid: "now", typ: "JWT" }).sign(privateKey)
  const { publicKey: another } = await jose.generateKeyPair(alg, { extractable: true })
  const keys = [
    { ...(await jose.exportJWK(publicKey)), alg, kid: "now", use: "sig" },
    { ...(await jose.exportJWK(another)), alg, kid: "next", use: "sig" }
  ]
  return { idToken, privateKey, publicKey, keys: { keys } }
}

const rs256 = await issue("RS256")
const es256 = await issue("ES256")
const edDsa = await issue("EdDSA")

const { idToken } = rs256
const byHand = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString())

const inside: Table = {
  title: "jwt: a look inside",
  floors: ["Buffer and JSON.parse: the claims", "jose.decodeJwt: the claims", "jose: the header and the claims"],
  weighed: 5_000,
  contenders: [
    { name: "Buffer and JSON.parse: the claims", run: direct(() => byHand(idToken.split(".")[1]!)) },
    {
      name: "Buffer and JSON.parse: both",
      run: direct(() => {
        const [header, claims] = idToken.split(".")
        return { header: byHand(header!), claims: byHand(claims!) }
      })
    },
    { name: "jose.decodeJwt: the claims", run: direct(() => jose.decodeJwt(idToken)) },
    {
      name: "jose: the header and the claims",
      run: direct(() => ({ header: jose.decodeProtectedHeader(idToken), claims: jose.decodeJwt(idToken) }))
    },
    { name: "Jwt.decode: the header and the claims", run: direct(() => Jwt.decode(idToken)) },
    { name: "Jwt.expiresAt", run: direct(() => Jwt.expiresAt(idToken)) }
  ]
}

/** The signature and nothing else. */
const bare = (name: string, { idToken, keys }: Issued): Contender["run"] => {
  const key = crypto.createPublicKey({ key: keys.keys[0]! as crypto.JsonWebKey, format: "jwk" })
  const hash = name === "EdDSA" ? null : "sha256"
  return direct(() => {
    const dot = idToken.lastIndexOf(".")
    const signature = Buffer.from(idToken.slice(dot + 1), "base64url")
    const isRight = crypto.verify(
      hash,
      Buffer.from(idToken.slice(0, dot)),
      { key, dsaEncoding: "ieee-p1363" },
      signature
    )
    if (!isRight) throw new Error("not verified")
  })
}

const verified = (name: string, issued: Issued): Table => {
  const { idToken, keys } = issued
  const local = jose.createLocalJWKSet(keys)
  const expected = { issuer, audience: clientId, algorithms: [name], clockTolerance: 30 }
  const server = AuthorizationServer.make({
    issuer,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`
  })
  // What it needs is provided around the loop, once.
  const verify = IdToken.verifier({ server, clientId }).verify as (idToken: string) => Effect.Effect<unknown, unknown>
  const publishing = HttpClient.make((request) =>
    Effect.succeed(
      HttpClientResponse.fromWeb(
        request,
        new Response(JSON.stringify(keys), { headers: { "cache-control": "max-age=86400" } })
      )
    )
  )
  return {
    title: `jwt: an ID token verified, ${name}`,
    floors: ["crypto.verify", "jose.jwtVerify", "jose.jwtVerify in a running fiber"],
    rounds: 60,
    contenders: [
      { name: "crypto.verify", run: bare(name, issued) },
      { name: "jose.jwtVerify", run: awaited(() => jose.jwtVerify(idToken, local, expected)) },
      {
        name: "jose.jwtVerify in a running fiber",
        run: inFiber(() => Effect.promise(() => jose.jwtVerify(idToken, local, expected)))
      },
      {
        name: "IdToken's verify",
        run: inFiber(
          () => verify(idToken),
          (loop) => Effect.provideService(loop, HttpClient.HttpClient, publishing)
        )
      }
    ]
  }
}

const key = es256.privateKey
const random = () => crypto.randomBytes(16).toString("base64url")
const assertion = ClientAuthentication.privateKeyJwt({ key, algorithm: "ES256", keyId: "now" })
const request = TokenRequest.make([["grant_type", "client_credentials"]])
const url = new URL(`${issuer}/token`)
const context = { provider: "Bench", clientId, tokenEndpoint: url.href, issuer: Option.some(issuer) }
const jwk = await jose.exportJWK(es256.publicKey)
const proof = DPoP.make({ key: es256 }).proof!
const tokenHash = crypto.createHash("sha256").update("t".repeat(700)).digest("base64url")

const signed: Table = {
  title: "jwt: signed for a request, ES256",
  floors: ["jose.SignJWT: an assertion", "jose.SignJWT: a proof"],
  rounds: 60,
  contenders: [
    {
      name: "jose.SignJWT: an assertion",
      run: awaited(() => {
        const iat = Math.floor(Date.now() / 1000)
        return new jose.SignJWT({ iss: clientId, sub: clientId, aud: url.href, iat, exp: iat + 60, jti: random() })
          .setProtectedHeader({ alg: "ES256", kid: "now", typ: "JWT" })
          .sign(key)
      })
    },
    { name: "ClientAuthentication.privateKeyJwt", run: inFiber(() => assertion.apply(request, context)) },
    {
      name: "jose.SignJWT: a proof",
      run: awaited(() =>
        new jose.SignJWT({
          htm: "GET",
          htu: url.href,
          iat: Math.floor(Date.now() / 1000),
          jti: random(),
          ath: tokenHash
        })
          .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk })
          .sign(key)
      )
    },
    {
      name: "DPoP's proof",
      run: inFiber(() => proof.sign({ method: "GET", url: url.href, token: Option.some(bearer) }))
    }
  ]
}

export const tables = (): ReadonlyArray<Table> => [
  inside,
  verified("RS256", rs256),
  verified("ES256", es256),
  verified("EdDSA", edDsa),
  signed
]
