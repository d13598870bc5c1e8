/** A cluster that vouches for the programs that run in it. */
import { Effect } from "effect"
import { SignJWT } from "jose"
import { generateKeyPairSync } from "node:crypto"

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
const issuer = "https://cluster.example.com"

export const cluster = {
  issuer,
  publicKey: publicKey.export({ format: "jwk" }),
  /** The token that a program finds in its file. */
  project: (
    audience: string,
    { expiresIn = "10 minutes", subject = "system:serviceaccount:shop:checkout" } = {}
  ): Effect.Effect<string> =>
    Effect.promise(() =>
      new SignJWT()
        .setProtectedHeader({ alg: "ES256" })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(expiresIn)
        .sign(privateKey)
    )
}
