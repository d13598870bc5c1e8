/** Certificates made on the spot, self-signed, valid as long as a test wants: openssl is not everywhere. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto"

const der = (tag: number, ...values: ReadonlyArray<Uint8Array>): Buffer => {
  const value = Buffer.concat(values)
  const { length } = value
  const header = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...header]), value])
}

const sequence = (...values: ReadonlyArray<Uint8Array>): Buffer => der(0x30, ...values)
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value))

/** sha256WithRSAEncryption. */
const algorithm = sequence(Buffer.from("06092a864886f70d01010b", "hex"), Buffer.from("0500", "hex"))
const commonName = (name: string) => sequence(der(0x31, sequence(Buffer.from("0603550403", "hex"), text(0x0c, name))))

/** Whom a server's certificate is for: localhost (subjectAltName). */
const localhost = der(
  0xa3,
  sequence(sequence(Buffer.from("0603551d11", "hex"), der(0x04, sequence(text(0x82, "localhost")))))
)

/** UTCTime until 2049, GeneralizedTime after that (RFC 5280 §4.1.2.5). */
const time = (date: string): Buffer => {
  const digits = date.replace(/\D/g, "")
  return Number(date.slice(0, 4)) < 2050 ? text(0x17, `${digits.slice(2)}Z`) : text(0x18, `${digits}Z`)
}

/** The certificate of an RSA key pair for localhost, valid between two moments such as `2020-01-01T00:00:00`. */
export const certificate = (
  { privateKey, publicKey }: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  notBefore: string,
  notAfter: string,
  subject = "test"
): { readonly pem: string; readonly sha1: string; readonly sha256: string } => {
  const name = commonName(subject)
  const tbs = sequence(
    der(0xa0, Buffer.from("020102", "hex")),
    Buffer.from("020101", "hex"),
    algorithm,
    name,
    sequence(time(notBefore), time(notAfter)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    localhost
  )
  const signature = sign("sha256", tbs, privateKey)
  const whole = sequence(tbs, algorithm, der(0x03, Buffer.from([0]), signature))
  const hash = (algorithm: string) => createHash(algorithm).update(whole).digest("hex")
  return {
    pem: `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/(.{64})/g, "$1\n")}\n-----END CERTIFICATE-----\n`,
    sha1: hash("sha1"),
    sha256: hash("sha256")
  }
}

/** A key pair and its certificate, both in PEM, valid for a while. */
export const certified = (subject: string): { readonly key: string; readonly cert: string; readonly jwk: object } => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const { pem } = certificate(pair, "2020-01-01T00:00:00", "2049-01-01T00:00:00", subject)
  const der = pem.replace(/-----.*?-----|\s/g, "")
  return {
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: pem,
    jwk: { ...pair.publicKey.export({ format: "jwk" }), x5c: [der] }
  }
}
