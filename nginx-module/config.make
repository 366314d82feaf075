# Read by nginx's configure when it has written its Makefile. Every object of this module gets what
# C++ needs, as target-specific variables of GNU make; nginx's own objects stay as they are.

for ngx_src in $(sed "s|^src/||; s|\.cc$||" "$ngx_addon_dir/sources.txt"); do
    cat << END >> $NGX_MAKEFILE
$NGX_OBJS/addon/src/$ngx_src.o: CC = \$(CXX)
$NGX_OBJS/addon/src/$ngx_src.o: CFLAGS += -std=c++20 -fvisibility=hidden -Wno-unused-parameter
END
done
