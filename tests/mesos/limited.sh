#!/bin/sh
# A watch command whose answers would each end the agent if Mesos had them as they are: resources
# without a reason, in the format with `role`, and in that of a dynamic reservation. By the number
# at the end of the task's name.
# By then the agent has asked what will end the container.
sleep 0.3
disk='"name":"disk","type":"SCALAR","scalar":{"value":1}'
case $(grep -o '"executor_id":{"value":"limited-[0-9]*-[0-9]*"' "$1" | grep -o '[0-9]*"$') in
0*) printf '{"message":"x","resources":[{%s}]}' "$disk" ;;
1*) printf '{"message":"x","reason":"REASON_CONTAINER_LIMITATION_DISK","resources":[{%s,"role":"*"}]}' "$disk" ;;
2*) printf '{"message":"x","resources":[{%s,"role":"a","reservation":{"principal":"p"}}]}' "$disk" ;;
esac >"$2"
