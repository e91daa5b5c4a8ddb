const answer = await fetch(`${process.env.LAB_SERVER}/node`, { method: "POST", body: "from node" });
console.log(answer.status);
