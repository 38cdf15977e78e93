# What hands can do to a provisioned node: every item of tasks.yml but the packages themselves.
set -e
for file in /etc/apt/sources.list.d/glmprov-* /etc/apt/apt.conf.d/51glmprov-driver /etc/modprobe.d/glmprov* \
    /etc/sysctl.d/90-glmprov.conf /etc/security/limits.d/90-glmprov.conf /etc/default/grub.d/90-glmprov.cfg \
    /etc/glmprov/*.conf /etc/glmprov/nccl.env /usr/local/lib/glmprov/* /etc/systemd/system/glmprov-*.service; do
    echo "# edited" >>"$file"
done
sed -i 's/=400$/=500/' /etc/glmprov/gpu-power.conf
sed -i 's/= 0$/= 60/' /etc/sysctl.d/90-glmprov.conf
sed -i 's/NCCL_P2P_LEVEL=.*/NCCL_P2P_LEVEL=LOC/' /etc/glmprov/nccl.env
echo "not a key" >/etc/apt/keyrings/glmprov-nvidia.asc
echo "not a key" >/etc/apt/keyrings/glmprov-toolkit.asc
echo '{"exec-opts": ["native.cgroupdriver=cgroupfs"]}' >/etc/docker/daemon.json
apt-mark unhold $(apt-mark showhold) >/dev/null
sysctl -q -w vm.swappiness=60
for file in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo powersave >"$file"; done
for bridge in 0000:00:01.1 0000:40:01.1 0000:80:01.1 0000:c0:01.1; do setpci -s "$bridge" ECAP_ACS+6.w=001d; done
nvidia-smi -pl 500 >/dev/null
systemctl -q disable --now glmprov-host-tuning.service glmprov-gpu-power.service glmprov-device-links.service \
    nvidia-persistenced.service
systemctl -q disable docker.service
systemctl -q daemon-reload
