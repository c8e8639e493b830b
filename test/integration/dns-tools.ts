// Asking a container's DNS server, and standing in for the host's resolver.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Member } from "./network-members.ts";

/** Addresses that a name has inside, in the order of the answer. */
export function lookUp(member: Member, name: string, type = "4"): string[] {
  const script = `const r=new (require("dns").promises.Resolver)({timeout:3000,tries:1});r.setServers(["127.0.0.11"]);
    r.${type === "ptr" ? "reverse" : type === "6" ? "resolve6" : "resolve4"}(process.argv[1]).then((a)=>console.log(a.join(" ")),(e)=>console.log(e.code))`;
  return member.run(process.execPath, "-e", script, name).trim().split(" ");
}

/** A query message. */
export function query(name: string, type: number): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

export async function rawUdp(member: Member, message: Buffer): Promise<Buffer> {
  const script = `const s=require("dgram").createSocket("udp4");s.on("message",(m)=>{console.log(m.toString("hex"));process.exit()});s.send(Buffer.from(process.argv[1],"hex"),53,"127.0.0.11")`;
  return Promise.resolve(
    Buffer.from(member.run(process.execPath, "-e", script, message.toString("hex")).trim(), "hex"),
  );
}

/** A resolver of the host on port 53; resolves with what it was asked. `big.…` is only answered whole over TCP. */
export async function resolver(address: string, children: ChildProcess[]): Promise<Set<string>> {
  const script = `const asked=(p,n)=>console.log(p+" "+n);
    const parse=(m)=>{let at=12,n=[];while(m[at]){n.push(m.toString("latin1",at+1,at+1+m[at]));at+=m[at]+1}return{name:n.join("."),end:at+5}};
    const answer=(m,p)=>{const{name,end}=parse(m);asked(p,name);const many=name.startsWith("big")?100:1;const cut=p==="udp"&&many>1;
      const h=Buffer.from(m.subarray(0,end));h[2]=0x81|(cut?2:0);h[3]=0x80;h.writeUInt16BE(cut?0:many,6);h.writeUInt16BE(0,10);
      const rr=[];for(let i=0;i<(cut?0:many);i++)rr.push(Buffer.from([0xc0,12,0,1,0,1,0,0,0,9,0,4,198,51,100,7+i]));return Buffer.concat([h,...rr])};
    const u=require("dgram").createSocket("udp4");u.on("message",(m,r)=>u.send(answer(m,"udp"),r.port,r.address));
    require("net").createServer((s)=>{let b=Buffer.alloc(0);s.on("error",()=>{});s.on("data",(d)=>{b=Buffer.concat([b,d]);if(b.length>2&&b.length>=2+b.readUInt16BE(0)){const a=answer(b.subarray(2),"tcp");const l=Buffer.alloc(2);l.writeUInt16BE(a.length);s.write(Buffer.concat([l,a]));b=Buffer.alloc(0)}})}).listen(53,process.argv[1],()=>u.bind(53,process.argv[1],()=>console.log("up")))`;
  const child = spawn(process.execPath, ["-e", script, address], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const asked = new Set<string>();
  await once(child.stdout, "data");
  child.stdout.on("data", (chunk: Buffer) =>
    chunk
      .toString()
      .trim()
      .split("\n")
      .forEach((line) => asked.add(line)),
  );
  return asked;
}
